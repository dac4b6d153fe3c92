-- Sagas, and how they came to be as they are: what `migrations/` makes on Postgres, for one process
-- with a file of its own. Ids are text as people write them, times are whole microseconds since
-- 1970, payloads are JSON text that is kept byte for byte.

create table saga (
    -- Version 7: their order is the order of creation, and lists page by it.
    id text primary key,
    definition text not null check (instr(definition, char(0)) = 0),
    definition_hash text not null check (instr(definition_hash, char(0)) = 0),
    -- The business key.
    key text check (instr(key, char(0)) = 0),
    idempotency_key text check (instr(idempotency_key, char(0)) = 0),
    -- By which two requests are the same.
    request_hash blob not null check (length(request_hash) = 32),
    status text not null check (status in (
        'running', 'compensating', 'completed', 'compensated', 'partly_compensated', 'stuck',
        'abandoned')),
    paused_at integer,
    -- Counts the transitions; the start is 1. The fence of every change.
    version integer not null check (version > 0),
    input text not null,
    state text not null,
    value_amount integer,
    value_currency text check (instr(value_currency, char(0)) = 0),
    -- When somebody must look: a lower bound.
    wake_at integer,
    created_at integer not null,
    updated_at integer not null,
    finished_at integer,
    -- Why nobody could make sense of it when it was last looked at; its next transition clears this.
    trouble text,
    constraint saga_value_is_whole check ((value_amount is null) = (value_currency is null)),
    constraint saga_has_ended_or_not check ((finished_at is not null)
        = (status in ('completed', 'compensated', 'partly_compensated', 'abandoned'))),
    -- What runs is never forgotten.
    constraint saga_wakes_up check (
        status not in ('running', 'compensating') or paused_at is not null or wake_at is not null),
    constraint saga_sleeps_at_its_end check (finished_at is null or wake_at is null)
) strict;

-- A business key belongs to one saga while that is active, stuck or completed.
create unique index saga_holding_key on saga (key, definition)
    where key is not null and status in ('running', 'compensating', 'stuck', 'completed');
-- The few that gave their key back, for finding them.
create index saga_freed_key on saga (key, definition, id)
    where key is not null and status in ('compensated', 'partly_compensated', 'abandoned');
create unique index saga_idempotency_key on saga (definition, idempotency_key)
    where idempotency_key is not null;
-- The due loop.
create index saga_wake_at on saga (wake_at, id) where wake_at is not null;
-- What has not ended, among all that has.
create index saga_unended on saga (id) where status in ('running', 'compensating', 'stuck');
-- Lists.
create index saga_by_definition on saga (definition, id);

-- One row per transition: the whole event and what it led to. Only ever appended to.
create table journal (
    saga_id text not null,
    -- The version that it led to.
    version integer not null,
    at integer not null,
    entry text not null,
    primary key (saga_id, version)
) strict;

-- Every version of a definition that was ever served here, by content.
create table definition (
    -- The first 12 hex digits of SHA-256 over the body.
    hash text primary key,
    name text not null,
    body text not null,
    first_seen integer not null
) strict;

-- What cannot be processed, kept for a human.
create table dead_letter (
    id text primary key,
    at integer not null,
    -- The queue it came from.
    source text not null,
    -- A stable word and, after a colon, what is wrong.
    reason text not null,
    headers text not null,
    -- Perhaps only its beginning.
    body blob not null,
    -- Of the whole body.
    sha256 blob not null check (length(sha256) = 32),
    -- What became of it: whoever deals with it closes it, and it is kept as a record.
    closed_at integer,
    closed_as text check (closed_as in ('requeued', 'dropped')),
    closed_by text,
    closed_why text,
    constraint dead_letter_is_closed_whole check (
        (closed_at is null) + (closed_as is null) + (closed_by is null) + (closed_why is null)
            in (0, 4))
) strict;

-- Lists, newest first: of those that wait for somebody, and of all.
create index dead_letter_open on dead_letter (at, id) where closed_at is null;
create index dead_letter_at on dead_letter (at, id);

-- Each step, to whoever asks in SQL.
create view step as
select saga.id as saga_id, step.value ->> 'name' as name,
    step.value ->> 'participant' as participant, step.value ->> 'status' as status,
    step.value ->> 'attempts' as attempts, step.value ->> 'started_at' as started_at,
    step.value ->> 'finished_at' as finished_at, step.value -> 'output' as output,
    step.value -> 'error' as error
from saga cross join json_each(saga.state, '$.steps') as step;
