-- What became of a dead letter: whoever deals with it closes it, and it is kept as a record.

alter table saga.dead_letter
    add closed_at timestamptz,
    add closed_as text check (closed_as in ('requeued', 'dropped')),
    add closed_by text,
    add closed_why text,
    add constraint dead_letter_is_closed_whole check (
        num_nulls(closed_at, closed_as, closed_by, closed_why) in (0, 4));

-- Lists, newest first: of those that wait for somebody, and of all.
create index dead_letter_open on saga.dead_letter (at, id) where closed_at is null;
create index dead_letter_at on saga.dead_letter (at, id);
