-- The barrier on SQLite: what became of each command. Written in the transaction of the business
-- change, or of an intent, never without it. Times are microseconds since 1970.
create table barrier (
    -- A UUID, in groups with hyphens.
    saga_id text not null,
    step text not null,
    phase text not null check (phase in ('action', 'compensation')),
    -- Of the command's body; a tombstone that came before its action has that of the compensation
    -- that left it.
    body_sha256 text not null check (length(body_sha256) = 64),
    -- begun: its transaction is at work; never seen by another one.
    -- completed: the effect is there. rejected: refused for good, no effect.
    -- tombstone: compensated before it arrived; it must never take effect.
    -- intent: it may have taken effect, and whoever did it has not stored what it came to.
    outcome text not null
        check (outcome in ('begun', 'completed', 'rejected', 'tombstone', 'intent')),
    -- The body of the reply, repeated byte for byte.
    reply text check ((reply is null) = (outcome in ('begun', 'intent'))),
    saga_started integer not null,
    created_at integer not null default (cast(unixepoch('subsec') * 1000000 as integer)),
    -- Of an intent: until then whoever began it is at it; past it, anybody may begin again, with
    -- the same idempotency key. Null once he has given up: the next attempt begins again.
    until integer check (until is null or outcome = 'intent'),
    -- Of an intent: the command, to begin again and to answer it without another delivery.
    command text check ((command is not null) = (outcome = 'intent')),
    primary key (saga_id, step, phase),
    -- A compensation's row says that it was done, or begun outside; what was not done leaves none.
    check (phase = 'action' or outcome in ('begun', 'completed', 'intent'))
) strict;

-- For whoever looks for intents that nobody is at any more.
create index barrier_until on barrier (until) where until is not null;
