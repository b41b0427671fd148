import type { Knex } from 'knex';
import { grantSharedTable } from './support/tenant-table';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE assets (
      code text NOT NULL,
      decimals smallint NOT NULL,
      kind text NOT NULL,
      CONSTRAINT assets_pkey PRIMARY KEY (code),
      CONSTRAINT assets_decimals_check CHECK (decimals BETWEEN 0 AND 36),
      CONSTRAINT assets_kind_check CHECK (kind IN ('fiat', 'stablecoin', 'crypto'))
    )`);
  await knex.raw(`
    INSERT INTO assets (code, decimals, kind) VALUES
      ('USD', 2, 'fiat'), ('EUR', 2, 'fiat'),
      ('USDC', 6, 'stablecoin'), ('EURC', 6, 'stablecoin'),
      ('ETH', 18, 'crypto'), ('WETH', 18, 'crypto'), ('WBTC', 8, 'crypto'), ('weETH', 18, 'crypto')`);
  await grantSharedTable(knex, 'assets', { app: ['SELECT'], worker: ['SELECT'], authorizer: ['SELECT'] });

  await knex.raw(`
    CREATE TABLE asset_tokens (
      asset text NOT NULL,
      chain_id integer NOT NULL,
      address text NOT NULL,
      CONSTRAINT asset_tokens_pkey PRIMARY KEY (asset, chain_id),
      CONSTRAINT asset_tokens_address_key UNIQUE (chain_id, address),
      CONSTRAINT asset_tokens_asset_fkey FOREIGN KEY (asset) REFERENCES assets (code)
    )`);
  await grantSharedTable(knex, 'asset_tokens', {
    app: ['SELECT'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    authorizer: ['SELECT'],
  });

  // The newest price of each asset, kept fresh by the price watcher; decisions read it, never the chain.
  await knex.raw(`
    CREATE TABLE asset_prices (
      asset text NOT NULL,
      price_usd_e8 numeric(78,0) NOT NULL,
      feed text NOT NULL,
      round_id numeric(78,0) NOT NULL,
      heartbeat_seconds integer NOT NULL,
      disputed boolean NOT NULL DEFAULT false,
      observed_at timestamptz NOT NULL,
      received_at timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT asset_prices_pkey PRIMARY KEY (asset),
      CONSTRAINT asset_prices_asset_fkey FOREIGN KEY (asset) REFERENCES assets (code),
      CONSTRAINT asset_prices_positive_check CHECK (price_usd_e8 > 0)
    )`);
  await grantSharedTable(knex, 'asset_prices', {
    app: ['SELECT'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    authorizer: ['SELECT'],
  });

  await knex.raw(`
    CREATE TABLE price_rounds (
      asset text NOT NULL,
      feed text NOT NULL,
      round_id numeric(78,0) NOT NULL,
      price_usd_e8 numeric(78,0) NOT NULL,
      observed_at timestamptz NOT NULL,
      CONSTRAINT price_rounds_pkey PRIMARY KEY (asset, feed, round_id)
    )`);
  await grantSharedTable(knex, 'price_rounds', { app: ['SELECT'], worker: ['SELECT', 'INSERT'] });

  // What the lending venue says of one borrowed asset: index, rate, liquidity, at one block.
  await knex.raw(`
    CREATE TABLE venue_reserves (
      venue text NOT NULL,
      asset text NOT NULL,
      borrow_index_ray numeric(78,0) NOT NULL,
      borrow_rate_ray numeric(78,0) NOT NULL,
      available_liquidity numeric(78,0) NOT NULL,
      block_number bigint NOT NULL,
      observed_at timestamptz NOT NULL,
      CONSTRAINT venue_reserves_pkey PRIMARY KEY (venue, asset),
      CONSTRAINT venue_reserves_asset_fkey FOREIGN KEY (asset) REFERENCES assets (code)
    )`);
  await grantSharedTable(knex, 'venue_reserves', {
    app: ['SELECT'],
    worker: ['SELECT', 'INSERT', 'UPDATE'],
    authorizer: ['SELECT'],
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE venue_reserves, price_rounds, asset_prices, asset_tokens, assets');
}
