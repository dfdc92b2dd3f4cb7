-- What tasks look like, as the runners have told: one row per shape. Where a task is called from SQL,
-- the shape that was told of last stands for it.
create table {schema}.task (
    app_id      text        not null,
    task_id     text        not null,
    fingerprint text        not null,     -- of all the rest
    parameters  json        not null,     -- in order: name, kind, required
    options     json        not null,     -- what its calls go by where they say nothing else
    told_at     timestamptz not null,
    -- the shapes of a task; enqueue: the apps that have it
    primary key (task_id, app_id, fingerprint)
);

-- Which runner has which of them.
create table {schema}.runner_task (
    runner_id   text not null references {schema}.runner on delete cascade,
    app_id      text not null,
    task_id     text not null,
    fingerprint text not null,
    primary key (runner_id, task_id)
);
-- is_able: who has a task
create index runner_task_name_idx on {schema}.runner_task (app_id, task_id);

-- What a runner could not take: a task it does not know, or arguments its task does not take. Such an
-- invocation is due in a hundred years, until a runner comes that can. A row outlives its being freed,
-- as long as the invocation is live: it remembers who has refused.
create table {schema}.aside (
    invocation_id uuid        primary key,
    app_id        text        not null,
    task_id       text        not null,
    queue         text        not null,
    names         text[]      not null,   -- of its arguments
    cause         text        not null check (cause in ('unknown_task', 'arguments')),
    missing       text[]      not null,   -- parameters that nothing was given for
    unknown       text[]      not null,   -- arguments that no parameter takes
    refused_by    text[]      not null,
    refusals      integer     not null check (refusals >= 1),
    since         timestamptz not null,
    freed_at      timestamptz             -- offered again; null: set aside
) with (fillfactor = 70);
-- free_aside: what is set aside
create index aside_waiting_idx on {schema}.aside (app_id, task_id) where freed_at is null;

-- Until when it must be begun: the hot row has it no longer once a runner has tried.
alter table {schema}.invocation add column expires_at timestamptz;
