-- One shipment per step of a saga.
create table shipment (
    saga_id uuid not null,
    step text not null,
    shipment_id text not null unique,
    country text not null,
    status text not null check (status in ('scheduled', 'cancelled')),
    primary key (saga_id, step)
);
