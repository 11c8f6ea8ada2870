-- Tables of the example application. Dates are India's, whatever the server's zone.
CREATE SCHEMA my_schema;

CREATE FUNCTION my_schema.today() RETURNS date LANGUAGE sql STABLE
    AS $$ SELECT (now() AT TIME ZONE 'Asia/Kolkata')::date $$;

-- One row for each quote whose trade or price is newer than the one before it.
CREATE TABLE my_schema.ticks (
    id bigserial PRIMARY KEY,
    run_date date NOT NULL DEFAULT my_schema.today(),
    instrument_token bigint NOT NULL,
    symbol text NOT NULL,
    last_price numeric(12, 2) NOT NULL,
    volume bigint NOT NULL,
    bid numeric(12, 2),
    ask numeric(12, 2),
    tick_time timestamptz NOT NULL
);
CREATE INDEX ticks_by_instrument ON my_schema.ticks (instrument_token, tick_time);
CREATE INDEX ticks_by_date ON my_schema.ticks (run_date);

-- Each answer as the broker gave it; no key, so that nothing is lost to one.
CREATE TABLE my_schema.raw_ticks (
    run_date date NOT NULL DEFAULT my_schema.today(),
    received_at timestamptz NOT NULL DEFAULT now(),
    answer jsonb NOT NULL
);

-- A paper account: one share of each symbol, bought at the first price of its first day.
CREATE TABLE my_schema.holdings (
    id bigserial PRIMARY KEY,
    run_date date NOT NULL,
    instrument_token bigint NOT NULL,
    symbol text NOT NULL,
    quantity integer NOT NULL,
    average_price numeric(12, 2) NOT NULL,
    last_price numeric(12, 2) NOT NULL,
    UNIQUE (instrument_token, run_date)
);

-- What is held now; its key has no date, so each instrument has its newest state.
CREATE TABLE my_schema.positions (
    id bigserial PRIMARY KEY,
    run_date date NOT NULL,
    position_type text NOT NULL,
    instrument_token bigint NOT NULL,
    symbol text NOT NULL,
    quantity integer NOT NULL,
    last_price numeric(12, 2) NOT NULL,
    profit numeric(12, 2) NOT NULL,
    UNIQUE (position_type, instrument_token)
);

CREATE TABLE my_schema.market_structure (
    session_date date NOT NULL,
    instrument_token bigint NOT NULL,
    symbol text NOT NULL,
    open_price numeric(12, 2) NOT NULL,
    high_price numeric(12, 2) NOT NULL,
    low_price numeric(12, 2) NOT NULL,
    previous_close numeric(12, 2) NOT NULL,
    PRIMARY KEY (session_date, instrument_token)
);

-- price_date is a text, as in tables of this kind that people have.
CREATE TABLE my_schema.rt_intraday_price (
    scrip_id bigint NOT NULL,
    price_date varchar(10) NOT NULL,
    last_price numeric(12, 2) NOT NULL,
    volume bigint NOT NULL,
    insert_date timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scrip_id, price_date)
);
