SET client_min_messages = warning;   -- "already exists, skipping" is no news

CREATE TABLE IF NOT EXISTS entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  message text NOT NULL,
  written timestamptz NOT NULL DEFAULT now()
);
