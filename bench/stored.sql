-- Fills an orchestrator's database with sagas that have ended, as if they had been placed evenly over
-- the last day: copies of a completed saga that is there and, one in fifty, of a compensated one.
-- Each has an id of its own that is as old as it is, a business key `stored-N`, and its journal.
-- How many, the setting `bench.sagas` says:
--
--   PGOPTIONS='-c bench.sagas=2000000' psql -v ON_ERROR_STOP=1 -f bench/stored.sql "$DATABASE_URL"
--
-- Only for measuring: the texts inside a copy still name the saga that it is a copy of.

create temporary table original as
    (select * from saga.saga where status = 'completed' order by id limit 1)
    union all
    (select * from saga.saga where status = 'compensated' order by id limit 1);

create temporary table copy as
select copy.number, original.id as original, copy.at,
    -- Version 7: the milliseconds in the first six bytes, the version in the seventh.
    encode(set_byte(overlay(uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from copy.at) * 1000)::bigint) from 3) from 1),
        6, 112 + copy.number::integer % 16), 'hex')::uuid as id
from (
    select number, case when number % 50 = 0 then 'compensated' else 'completed' end as status,
        clock_timestamp() - interval '1 day' * (1 - number / (total + 1)::double precision) as at
    from (select current_setting('bench.sagas')::bigint as total) as wanted,
        generate_series(1, total) as number
) as copy
join original using (status);

insert into saga.saga (id, definition, definition_hash, key, request_hash, status, version, input,
    state, value_amount, value_currency, created_at, updated_at, finished_at)
select copy.id, definition, definition_hash, 'stored-' || number, sha256(int8send(number)), status,
    version, input, state, value_amount, value_currency, at, at, at
from copy join original on original.id = copy.original
order by copy.id;

insert into saga.journal (at, saga_id, version, entry)
select copy.at, copy.id, journal.version, journal.entry
from copy join saga.journal on journal.saga_id = copy.original
order by copy.id, journal.version;
