-- What starts tasks by itself, as the processes have told of it whose code has it.
create table {schema}.trigger_definition (
    app_id     text             not null,
    trigger_id text             not null,
    task_id    text             not null,      -- which it starts
    definition json             not null,
    version    text             not null,      -- a hash of the definition
    pairs      boolean          not null,      -- its causes wait for each other
    within     double precision not null,      -- seconds for which they do
    paused_at  timestamptz,                    -- nothing of it fires
    told_at    timestamptz      not null,
    removed_at timestamptz,                    -- the code has it no more; causes may still be on their way
    primary key (app_id, trigger_id)
);

-- What its conditions watch: a status of a task, or an event. Small, and read wherever a status changes.
create table {schema}.trigger_watch (
    app_id       text not null,
    what         text not null,                -- a status, or 'event'
    about        text not null,                -- the task, or the event's code
    trigger_id   text not null,
    condition_id text not null,
    filter       jsonb,                        -- what arguments, result or payload must contain
    -- record_causes: who watches this
    primary key (app_id, what, about, trigger_id, condition_id),
    foreign key (app_id, trigger_id) references {schema}.trigger_definition on delete cascade
);

-- Where a schedule stands: every tick up to settled has fired, or was left out on purpose.
create table {schema}.schedule (
    app_id       text        not null,
    trigger_id   text        not null,
    condition_id text        not null,
    condition    json        not null,
    edited       json,                         -- what stands for it, as an operator wants it
    settled      timestamptz not null,
    next_at      timestamptz,                  -- null: nobody has looked yet
    last_at      timestamptz,                  -- the last tick that fired
    primary key (app_id, trigger_id, condition_id),
    foreign key (app_id, trigger_id) references {schema}.trigger_definition on delete cascade
);

-- Kept for those who ask what has happened, and for the triggers that have not looked yet.
create table {schema}.event (
    app_id     text        not null,
    event_id   uuid        not null,
    code       text        not null,
    payload    json        not null,
    emitted_at timestamptz not null,
    emitted_by text        not null,
    primary key (event_id, app_id)
);
-- maintain: those past their retention
create index event_age_idx on {schema}.event (app_id, emitted_at);

-- What has met a condition, as far as can be told here, and has not fired yet: written in the
-- transaction of what happened, gone in that of what it starts. There is no foreign key to the trigger:
-- with it, whoever removes a trigger and whatever causes it would wait for each other, and an invocation
-- could not end because of a deploy.
create table {schema}.trigger_cause (
    cause_id     bigint      generated always as identity primary key,
    app_id       text        not null,
    trigger_id   text        not null,
    condition_id text        not null,
    source_id    uuid,                         -- an invocation, or an event; null: a tick
    rev          integer,                      -- of the invocation
    status       {schema}.invocation_status,
    at           timestamptz not null,
    last_at      timestamptz,                  -- of a tick: the one that fired before it
    state        text        not null default 'new'
        check (state in ('new',                -- to be looked at
                         'waiting',            -- has met its condition, and waits for the others
                         'joined',             -- goes with another one
                         'parked')),           -- could not be looked at, time and again
    partners     bigint[]    not null default '{}',  -- which go with it
    attempts     integer     not null default 0,     -- grows with each look, and proves it
    due_at       timestamptz not null default clock_timestamp(),
    taken_by     text,                         -- the runner that looks at it
    error        text,
    -- once for each cause, whoever notes it; drop_old_partitions, maintain: whether a source is needed
    unique nulls not distinct (source_id, rev, at, app_id, trigger_id, condition_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
-- take_causes: what is to be looked at; by trigger, or those of one that is paused stand before all others
create index trigger_cause_due_idx on {schema}.trigger_cause (app_id, trigger_id, due_at)
    where state = 'new';
-- return_causes: what a runner that is no more looked at
create index trigger_cause_taken_idx on {schema}.trigger_cause (taken_by) where taken_by is not null;
-- waiting_causes: what waits for others, by condition, or many of one hide the few of another
create index trigger_cause_waiting_idx on {schema}.trigger_cause (app_id, trigger_id, condition_id, at)
    where state = 'waiting';
-- retry_causes, the view parked_causes: what nobody could look at
create index trigger_cause_parked_idx on {schema}.trigger_cause (app_id, trigger_id)
    where state = 'parked';

-- What has fired, and what became of it. For people; nothing is decided by it but that a cause fires once.
create table {schema}.trigger_run (
    run_id        bigint      generated always as identity primary key,
    app_id        text        not null,
    trigger_id    text        not null,
    version       text        not null,
    task_id       text        not null,
    cause_id      bigint      not null,
    causes        json        not null,        -- condition_id, source_id, rev, status, at of each
    arguments     json,                        -- built of them
    invocation_id uuid,                        -- started; null: dropped, see reason
    reason        text        check (reason in ('alone', 'removed', 'parked')),
    fired_at      timestamptz not null,
    unique (cause_id)
);
-- "what has this trigger started"; maintain: those past their retention
create index trigger_run_trigger_idx on {schema}.trigger_run (app_id, trigger_id, fired_at, run_id);
create index trigger_run_age_idx on {schema}.trigger_run (app_id, fired_at, run_id);
-- "what has started this invocation"
create index trigger_run_invocation_idx on {schema}.trigger_run (invocation_id) where invocation_id is not null;
