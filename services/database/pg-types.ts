import { types } from 'pg';

/** NUMERIC and int8 become bigint or stay strings, never floats: NUMERIC(78,0) holds base units and is parsed to bigint. */
types.setTypeParser(types.builtins.NUMERIC, (text) => BigInt(text));
types.setTypeParser(types.builtins.INT8, (text) => BigInt(text));
/** A calendar date stays `YYYY-MM-DD`: turning it into an instant would depend on the server's zone. */
types.setTypeParser(types.builtins.DATE, (text) => text);
