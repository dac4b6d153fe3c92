-- Sagas, and how they came to be as they are. The schema itself is made by whoever applies this.
--
-- Payloads are json, not jsonb: it keeps the bytes and takes every valid document, `\u0000` and
-- `1e400000` included.

create table saga.saga (
    -- Version 7: their order is the order of creation, and lists page by it.
    id uuid primary key,
    definition text not null,
    definition_hash text not null,
    -- The business key.
    key text,
    idempotency_key text,
    -- By which two requests are the same.
    request_hash bytea not null check (length(request_hash) = 32),
    status text not null check (status in (
        'running', 'compensating', 'completed', 'compensated', 'partly_compensated', 'stuck',
        'abandoned')),
    paused_at timestamptz,
    -- Counts the transitions; the start is 1. The fence of every change.
    version bigint not null check (version > 0),
    -- A column of its own, never rewritten.
    input json not null,
    state json not null,
    value_amount bigint,
    value_currency text,
    -- When somebody must look: a lower bound, so that it need not be written with every change.
    wake_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    finished_at timestamptz,
    -- Why nobody could make sense of it when it was last looked at; its next transition clears
    -- this.
    trouble text,
    constraint saga_value_is_whole check ((value_amount is null) = (value_currency is null)),
    constraint saga_has_ended_or_not check ((finished_at is not null)
        = (status in ('completed', 'compensated', 'partly_compensated', 'abandoned'))),
    -- What runs is never forgotten.
    constraint saga_wakes_up check (
        status not in ('running', 'compensating') or paused_at is not null or wake_at is not null),
    constraint saga_sleeps_at_its_end check (finished_at is null or wake_at is null)
) with (
    -- Room for the next version of every row on a page: sagas that start together move together.
    -- Such updates touch no index and leave nothing to vacuum.
    fillfactor = 50,
    -- A table of millions of ended sagas must not wait for a fifth of them to change.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

-- None of these has a column that changes while a saga runs, `wake_at` and `status` excepted, which
-- change rarely.

-- A business key belongs to one saga while that is active, stuck or completed.
create unique index saga_holding_key on saga.saga (key, definition)
    where key is not null and status in ('running', 'compensating', 'stuck', 'completed');
-- The few that gave their key back, for finding them.
create index saga_freed_key on saga.saga (key, definition, id)
    where key is not null and status in ('compensated', 'partly_compensated', 'abandoned');
create unique index saga_idempotency_key on saga.saga (definition, idempotency_key)
    where idempotency_key is not null;
-- The due loop.
create index saga_wake_at on saga.saga (wake_at) where wake_at is not null;
-- Lists. Almost all sagas are completed: the primary key finds those.
create index saga_by_status on saga.saga (status, id) where status <> 'completed';
create index saga_by_definition on saga.saga (definition, id);

-- One row per transition: the whole event and what it led to. Only ever appended to; dropped by the
-- day.
create table saga.journal (
    at timestamptz not null,
    saga_id uuid not null,
    -- The version that it led to.
    version bigint not null,
    entry json not null
) partition by range (at);

create index journal_of_saga on saga.journal (saga_id, version);

-- Stays empty: it is there so that an orchestrator that could not make partitions does not stop.
create table saga.journal_default partition of saga.journal default;

-- Makes the journal's partitions from yesterday, for clocks that differ, to so many days ahead.
-- Processes take turns. A partition is made aside and attached: that locks out neither readers nor
-- writers of the others.
create function saga.make_journal_partitions(days_ahead integer) returns integer
language plpgsql as $$
declare
    today date := (clock_timestamp() at time zone 'UTC')::date;
    day date;
    name text;
    begins timestamptz;
    ends timestamptz;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('saga.journal partitions', 0));
    for offset_days in -1 .. days_ahead loop
        day := today + offset_days;
        name := 'journal_' || to_char(day, 'YYYYMMDD');
        continue when to_regclass(format('saga.%I', name)) is not null;
        begins := day::timestamp at time zone 'UTC';
        ends := (day + 1)::timestamp at time zone 'UTC';
        execute format('create table saga.%I (like saga.journal)', name);
        -- What came while there was no partition for it.
        execute format(
            'with misplaced as (
                 delete from only saga.journal_default where at >= %1$L and at < %2$L returning *
             )
             insert into saga.%3$I select * from misplaced', begins, ends, name);
        execute format(
            'alter table saga.journal attach partition saga.%I for values from (%L) to (%L)',
            name, begins, ends);
        made := made + 1;
    end loop;
    return made;
end
$$;

select saga.make_journal_partitions(7);

-- Every version of a definition that was ever served here, by content.
create table saga.definition (
    -- The first 12 hex digits of SHA-256 over the body.
    hash text primary key,
    name text not null,
    body json not null,
    first_seen timestamptz not null default clock_timestamp()
);

-- What cannot be processed, kept for a human.
create table saga.dead_letter (
    id uuid primary key,
    at timestamptz not null default clock_timestamp(),
    -- The queue it came from.
    source text not null,
    -- A stable word and, after a colon, what is wrong.
    reason text not null,
    headers json not null,
    -- Perhaps only its beginning.
    body bytea not null,
    -- Of the whole body.
    sha256 bytea not null check (length(sha256) = 32)
);

-- A document that the json operators can take apart: they refuse escapes of NUL and of half a
-- surrogate pair anywhere in it. Those become U+FFFD; all else stays as it is.
create function saga.readable(document json) returns json
language sql stable parallel safe as $$
    select case
        when document::text ~ '\\u(0000|[dD][89a-fA-F])' then
            regexp_replace(document::text,
                '\\u0000'
                || '|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})'
                || '|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}',
                '\\ufffd', 'g')::json
        else document
    end
$$;

-- The steps in a saga's state, in the order of its definition.
create function saga.steps_of(state json) returns table (
    name text, participant text, status text, attempts integer, started_at timestamptz,
    finished_at timestamptz, output json, error json)
language sql stable parallel safe as $$
    select step ->> 'name', step ->> 'participant', step ->> 'status',
        (step ->> 'attempts')::integer, (step ->> 'started_at')::timestamptz,
        (step ->> 'finished_at')::timestamptz, step -> 'output', step -> 'error'
    from json_array_elements(saga.readable(state) -> 'steps') as step
$$;

-- Each step, to whoever asks in SQL.
create view saga.step as
select saga.id as saga_id, step.name, step.participant, step.status, step.attempts, step.started_at,
    step.finished_at, step.output, step.error
from saga.saga cross join lateral saga.steps_of(saga.state) as step;
