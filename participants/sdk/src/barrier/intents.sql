-- Intents: what a command does outside this database is written down, and committed, before it is
-- begun. The second version of the barrier, to be run after `schema.sql`.
alter table barrier
    -- Of an intent: until then whoever began it is at it, by this database's clock; past it,
    -- anybody may begin again, with the same idempotency key. Null once he has given up: the next
    -- attempt begins again.
    add column until timestamptz,
    -- Of an intent: the command, to begin again and to answer it without another delivery.
    add column command text,
    drop constraint barrier_outcome_check,
    drop constraint barrier_check,
    drop constraint barrier_check1,
    -- intent: it may have taken effect, and whoever did it has not stored what it came to.
    add constraint barrier_outcome check (
        outcome in ('begun', 'completed', 'rejected', 'tombstone', 'intent')),
    add constraint barrier_reply check ((reply is null) = (outcome in ('begun', 'intent'))),
    add constraint barrier_command check ((command is not null) = (outcome = 'intent')),
    add constraint barrier_until check (until is null or outcome = 'intent'),
    -- A compensation's row says that it was done, or begun outside; what was not done leaves none.
    add constraint barrier_compensation check (
        phase = 'action' or outcome in ('begun', 'completed', 'intent'));

-- For whoever looks for intents that nobody is at any more.
create index barrier_until on barrier (until) where until is not null;
