create table stock (
    sku text primary key,
    available bigint not null check (available >= 0)
);

-- One row per article of a step.
create table reservation (
    saga_id uuid not null,
    step text not null,
    sku text not null,
    quantity bigint not null check (quantity > 0),
    status text not null check (status in ('reserved', 'released')),
    primary key (saga_id, step, sku)
);

-- Something to order.
insert into stock (sku, available)
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 100)
select 'sku-' || n, 1000000 from numbers;

insert into stock (sku, available) values ('sku-rare', 1);
