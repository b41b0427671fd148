import Ajv2020, { type ErrorObject, type ValidateFunction } from 'ajv/dist/2020';
import addFormats from 'ajv-formats';

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: { readonly enum?: readonly string[] };
}

type Content = Readonly<Record<string, { readonly schema: object }>>;

export interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
}

export interface DocumentedOperation {
  /** `GET /v1/accounts/{account_id}`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** An answer as it came over the wire. */
export interface LiveAnswer {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Compares answers with the published document, and nothing else: not with the schemas that it was made of. */
export class OpenApiChecker {
  readonly operations: readonly DocumentedOperation[];
  private readonly ajv: Ajv2020;
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(private readonly document: OpenApiDocument) {
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method,
        path,
        operation,
      })),
    );
    // Strict: a keyword that does not exist, or that its type ignores, is a mistake of the document.
    this.ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
    addFormats(this.ajv);
    this.ajv.addVocabulary(['components', 'example']);
  }

  operation(name: string): DocumentedOperation {
    const found = this.operations.find((each) => each.name === name);
    if (found === undefined) throw new Error(`${name} is not documented`);
    return found;
  }

  /** What is wrong with an answer, by the document. */
  problems({ name, operation }: DocumentedOperation, answer: LiveAnswer): readonly string[] {
    const { responses } = operation;
    const documented = responses[String(answer.status)];
    if (documented === undefined && answer.status < 400) return [`status ${answer.status} is not documented`];
    const response = documented ?? responses.default;
    const content = response?.content[answer.type];
    if (content === undefined) return [`status ${answer.status} with ${answer.type} is not documented`];
    const key = `${name} ${documented === undefined ? 'default' : answer.status} ${answer.type}`;
    return this.differences(key, content.schema, answer.body);
  }

  /** Every schema of the document in use: throws where one is no schema. */
  compileAll(): number {
    for (const { name, operation } of this.operations) {
      for (const [status, { content }] of Object.entries(operation.responses))
        for (const [type, { schema }] of Object.entries(content)) this.compile(`${name} ${status} ${type}`, schema);
      const body = operation.requestBody?.content['application/json']?.schema;
      if (body !== undefined) this.compile(`${name} body`, body);
    }
    return this.compiled.size;
  }

  /** What is wrong with a request's body, by the document. */
  bodyProblems({ name, operation }: DocumentedOperation, body: unknown): readonly string[] {
    const schema = operation.requestBody?.content['application/json']?.schema;
    return schema === undefined ? ['no body is documented'] : this.differences(`${name} body`, schema, body);
  }

  private compile(key: string, schema: object): ValidateFunction {
    const known = this.compiled.get(key);
    if (known !== undefined) return known;
    const validate = this.ajv.compile({ ...schema, components: this.document.components });
    this.compiled.set(key, validate);
    return validate;
  }

  private differences(key: string, schema: object, value: unknown): readonly string[] {
    const validate = this.compile(key, schema);
    return validate(value) ? [] : (validate.errors ?? []).map(describe);
  }
}

function describe({ instancePath, message, params }: ErrorObject): string {
  return `${instancePath === '' ? '/' : instancePath} ${message} ${JSON.stringify(params)}`;
}
