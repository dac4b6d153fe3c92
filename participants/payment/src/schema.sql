-- Money in minor units. One balance per customer.
create table account (
    customer_id text primary key,
    balance bigint not null check (balance >= 0)
);

-- One charge per step of a saga.
create table charge (
    saga_id uuid not null,
    step text not null,
    charge_id text not null unique,
    customer_id text not null,
    amount bigint not null check (amount > 0),
    currency text not null,
    status text not null check (status in ('charged', 'refunded')),
    primary key (saga_id, step)
);
