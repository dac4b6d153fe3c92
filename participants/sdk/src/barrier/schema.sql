-- The barrier: what became of each command. Written in the transaction of the business change,
-- never without it.
create table barrier (
    saga_id uuid not null,
    step text not null,
    phase text not null check (phase in ('action', 'compensation')),
    -- Of the command's body; a tombstone has that of the compensation that left it.
    body_sha256 text not null check (length(body_sha256) = 64),
    -- begun: its transaction is at work; never seen by another one.
    -- completed: the effect is there. rejected: refused for good, no effect.
    -- tombstone: compensated before it arrived; it must never take effect.
    outcome text not null check (outcome in ('begun', 'completed', 'rejected', 'tombstone')),
    -- The body of the reply, repeated byte for byte.
    reply text check ((reply is null) = (outcome = 'begun')),
    saga_started timestamptz not null,
    created_at timestamptz not null default current_timestamp,
    primary key (saga_id, step, phase),
    -- A compensation's row says that it was done; what was not done leaves none.
    check (phase = 'action' or outcome in ('begun', 'completed'))
);
