-- Types, tables and indexes. {schema} is replaced by the quoted name of the schema.
-- Every index carries the query it serves.

-- Under a team's own Alembic nobody else makes it. (IF NOT EXISTS asks for the right to create
-- schemas even where there is nothing to create.)
do $$
begin
    if to_regnamespace('{schema}') is null then
        create schema {schema};
    end if;
end $$;

create type {schema}.invocation_status as enum (
    'registered', 'concurrency_controlled', 'concurrency_controlled_final', 'rerouted', 'pending',
    'pending_recovery', 'running', 'running_recovery', 'paused', 'resumed', 'killed', 'success',
    'failed', 'retry'
);

-- The state machine as data, for people and for `pynenc-pg status render`.
create table {schema}.status (
    status      {schema}.invocation_status primary key,
    available   boolean not null,
    owned       boolean not null,
    final       boolean not null
);
create table {schema}.status_transition (
    from_status {schema}.invocation_status not null references {schema}.status,
    to_status   {schema}.invocation_status not null references {schema}.status,
    reason      text,  -- null: no reason is asked for
    unique nulls not distinct (from_status, to_status, reason)
);

-- Written once by register, never changed. Ids are UUIDv7, so a range of ids is a range of time.
create table {schema}.invocation (
    invocation_id  uuid        not null,
    app_id         text        not null,
    task_id        text        not null,
    call_id        text        not null,
    arguments      json        not null,
    wire_format    smallint    not null default 1,
    options        json        not null,
    queue          text        not null,
    priority       real        not null,
    parent_id      uuid,
    depth          integer     not null,
    workflow_id    uuid,
    retried_from   uuid,
    registered_at  timestamptz not null,
    registered_by  text        not null,
    -- reads by id: joins of claim, get_invocation
    primary key (invocation_id)
) partition by range (invocation_id);
-- "the children of this invocation"
create index invocation_parent_idx on {schema}.invocation (parent_id) where parent_id is not null;

-- The hot row: where a live invocation stands. Gone at its end.
create table {schema}.invocation_state (
    invocation_id       uuid        not null,
    app_id              text        not null,
    queue               text        not null,
    status              {schema}.invocation_status not null,
    previous_status     {schema}.invocation_status,
    status_at           timestamptz not null,
    reason              text,
    runner_id           text,              -- set exactly while owned
    lease               bigint,            -- drawn from a sequence at each claim
    rev                 integer     not null default 0,  -- counts status changes
    proof               bigint,            -- lease + rev, shown by whoever leaves an owned status
    changed_by          text        not null,
    retries             integer     not null default 0,
    recoveries          integer     not null default 0,
    rank                double precision not null,       -- smaller runs first; constant
    due_at              timestamptz,       -- not ready before; cleared by promote
    expires_at          timestamptz,
    cancel_requested_at timestamptz,
    lane                bigint,            -- its concurrency key; constant
    must_not_wait       boolean     not null default false,
    registration_key    text,              -- nulled at the first start
    awaited             integer,           -- depth of the deepest that waits for it
    -- What the indexes of claim ask for. Not status itself: pending -> running changes neither, so
    -- that update touches no index (a column in an index's predicate counts as indexed).
    available           boolean     not null
        generated always as (status in ('registered', 'rerouted', 'retry')) stored,
    parked              boolean     not null
        generated always as (status = 'concurrency_controlled') stored,
    -- every verb that names ids
    primary key (invocation_id),
    constraint due_only_while_available
        check (due_at is null or status in ('registered', 'rerouted', 'retry')),
    constraint never_final_in_the_hot_table
        check (status not in ('success', 'failed', 'concurrency_controlled_final')),
    constraint counters_never_negative check (rev >= 0 and retries >= 0 and recoveries >= 0)
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.2, autovacuum_vacuum_cost_delay = 0
);
create sequence {schema}.lease_seq as bigint cache 1;

-- claim: the next ready ones of a queue that have no concurrency key
create index state_ready_idx on {schema}.invocation_state (app_id, queue, rank, invocation_id)
    where available and due_at is null and lane is null;
-- the ready and the parked ones of a lane, by rank; whether anything stands in it (maintain, and the
-- foreign key when a lane is removed)
create index state_lane_idx on {schema}.invocation_state (lane, available, parked, rank, invocation_id)
    where lane is not null;
-- claim: those of a lane that end rather than wait
create index state_must_not_wait_idx on {schema}.invocation_state (lane)
    where must_not_wait and available and due_at is null;
-- claim: what others wait for, deepest first
create index state_awaited_idx on {schema}.invocation_state (app_id, queue, awaited desc, rank)
    where awaited is not null and available and due_at is null;
-- promote: what is due
create index state_due_idx on {schema}.invocation_state (app_id, due_at) where due_at is not null;
-- expire: what is past its time and was not begun
create index state_expires_idx on {schema}.invocation_state (app_id, expires_at)
    where expires_at is not null;
-- recover: what a runner holds
create index state_owned_idx on {schema}.invocation_state (runner_id) where runner_id is not null;
-- register: at most one not-yet-started invocation of a registration key
create unique index state_registration_key_idx
    on {schema}.invocation_state (app_id, registration_key) where registration_key is not null;

-- One row per active concurrency key: the thing that is locked when slots are counted.
create table {schema}.lane (
    lane_id  bigint generated always as identity primary key,
    app_id   text    not null,
    queue    text,                          -- null: its work stands in several queues
    key      text    not null,
    slots    integer not null check (slots >= 1),
    next_at  timestamptz,                   -- rate limits: not before
    served   timestamptz not null default '-infinity',  -- lanes take turns
    -- register: find the lane of a key
    constraint lane_key unique (app_id, key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0);
-- claim: the lanes of a queue, in the order of their turn
create index lane_queue_idx on {schema}.lane (queue, app_id, served, key);
alter table {schema}.invocation_state
    add constraint state_lane_fk foreign key (lane) references {schema}.lane;

-- max_running is this primary key: n runs from 1 to lane.slots.
create table {schema}.slot (
    lane          bigint  not null references {schema}.lane,
    n             integer not null check (n >= 1),
    invocation_id uuid    not null,
    primary key (lane, n),
    -- the verbs that free a slot
    constraint slot_invocation unique (invocation_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0);

-- How an invocation ended. Append-only.
create table {schema}.invocation_outcome (
    invocation_id uuid        not null,
    app_id        text        not null,
    status        {schema}.invocation_status not null
        check (status in ('success', 'failed', 'concurrency_controlled_final')),
    reason        text,
    value         json,
    queue         text        not null,
    runner_id     text,
    lease         bigint,
    rev           integer     not null,
    changed_by    text        not null,
    retries       integer     not null,
    recoveries    integer     not null,
    finished_at   timestamptz not null,
    -- reading a result
    primary key (invocation_id)
) partition by range (invocation_id);

-- The error of each attempt that was followed by another one. Append-only.
create table {schema}.invocation_error (
    invocation_id uuid        not null,
    rev           integer     not null,  -- of the change to retry
    error         json        not null,
    at            timestamptz not null,
    primary key (invocation_id, rev)
) partition by range (invocation_id);

-- Every status change, written by triggers. Append-only.
create table {schema}.invocation_history (
    invocation_id   uuid        not null,
    app_id          text        not null,
    rev             integer     not null,
    previous_status {schema}.invocation_status,
    status          {schema}.invocation_status not null,
    reason          text,
    runner_id       text,
    lease           bigint,
    changed_by      text        not null,
    at              timestamptz not null,
    -- the history of one invocation; one row per revision
    primary key (invocation_id, rev, at)
) partition by range (at);

-- Who waits for what to end: an invocation, or a listener outside of any runner.
create table {schema}.wait_edge (
    edge_id    bigint generated always as identity primary key,
    app_id     text        not null,
    awaited_id uuid        not null,
    waiter_id  uuid,                        -- null: somebody outside
    listener   text        not null         -- the channel that is notified
        check (octet_length(listener) between 1 and 63),  -- or no end could be told
    created_at timestamptz not null default clock_timestamp(),
    -- finish: who waits for these
    constraint wait_edge_once unique nulls not distinct (awaited_id, listener, waiter_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);
-- recover: what a dead one waited for
create index wait_edge_waiter_idx on {schema}.wait_edge (waiter_id) where waiter_id is not null;

create table {schema}.runner (
    runner_id     text        primary key,
    app_id        text        not null,
    serial        integer     generated always as identity unique,  -- age, and its lock's number
    runner_cls    text        not null,
    hostname      text        not null,
    pid           integer     not null,
    queues        text[]      not null,     -- empty: all
    concurrency   integer     not null,
    lease_seconds double precision not null,
    lease_until   timestamptz not null,
    heartbeat_at  timestamptz not null,
    registered_at timestamptz not null,
    lock_held_at  timestamptz,              -- when its session took the lock; null: lives by lease
    lock_gone_at  timestamptz,              -- when the lock was first seen missing
    dead_at       timestamptz,              -- declared dead; gone once it holds nothing
    idle          boolean     not null default false,
    idle_at       timestamptz not null      -- when that last changed
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50,
        autovacuum_vacuum_cost_delay = 0);
-- heartbeat, recover: the runners of an app
create index runner_app_idx on {schema}.runner (app_id, serial);

create table {schema}.queue (
    app_id text    not null,
    queue  text    not null check (queue ~ '^[A-Za-z0-9_.-]+$'),
    paused boolean not null default false,
    primary key (app_id, queue)
);

-- Large values once, by content.
create table {schema}.payload (
    app_id     text        not null,
    sha256     bytea       not null check (octet_length(sha256) = 32),
    bytes      bytea       not null,
    codec      text        not null default '',
    created_at timestamptz not null default clock_timestamp(),
    primary key (app_id, sha256)
);
create table {schema}.payload_ref (
    app_id        text  not null,
    sha256        bytea not null,
    invocation_id uuid  not null,
    primary key (app_id, sha256, invocation_id),
    foreign key (app_id, sha256) references {schema}.payload
);
-- retention: the references of a range of invocations
create index payload_ref_invocation_idx on {schema}.payload_ref (invocation_id);
