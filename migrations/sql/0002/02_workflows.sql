-- Runs of workflows: what tasks have done by ``wf``. A run has a row from its first step on, or from when
-- it is paused before that. These three go with the partitions that their invocations are in.
create table {schema}.workflow (
    invocation_id uuid        not null,
    app_id        text        not null,
    workflow_id   uuid        not null,       -- whose data it reads and sets
    began_at      timestamptz not null,
    paused_at     timestamptz,                -- its next step is refused
    pause_reason  text,
    forked_from   uuid,
    -- record_step and all that are about a run
    primary key (invocation_id)
) partition by range (invocation_id);
-- drop_old_partitions: whether a run needs the data of an older one
create index workflow_of_idx on {schema}.workflow (workflow_id) where workflow_id <> invocation_id;

create sequence {schema}.workflow_step_seq as bigint;
-- What was done: once for each path, however often the task is begun.
create table {schema}.workflow_step (
    step_id       bigint      not null default nextval('{schema}.workflow_step_seq'),
    invocation_id uuid        not null,
    app_id        text        not null,
    path          text        not null,       -- '3', and '4.1.2' in a branch
    run           integer     not null,       -- of a task that failed: how often it was called anew
    kind          text        not null,
    about         text        not null,
    value         json,
    retries       integer     not null,       -- of the invocation, when it was written
    survived      text[],                     -- paths of failures that the workflow knew of
    key           text,                       -- of the data, or the code of the event
    event_id      uuid,                       -- what was waited for; null: in vain
    child_id      uuid,                       -- what the call became
    at            timestamptz not null,
    -- record_step, record_child: what stands there; workflow_steps: all of a run
    primary key (invocation_id, path, run)
) partition by range (invocation_id);
-- drop_old_partitions: whether a run needs an older child
create index workflow_step_child_idx on {schema}.workflow_step (child_id) where child_id is not null;
create trigger guard_change before update or delete on {schema}.workflow_step
    for each row execute function {schema}.refuse_change();
create trigger guard_truncate before truncate on {schema}.workflow_step
    for each statement execute function {schema}.refuse_change();

-- What a workflow has set, for all of its invocations and for people.
create table {schema}.workflow_data (
    workflow_id uuid        not null,
    app_id      text        not null,
    key         text        not null,
    value       json        not null,
    set_by      uuid        not null,         -- the invocation
    set_at      timestamptz not null,
    -- record_step, workflow_values
    primary key (workflow_id, key)
) partition by range (workflow_id);

-- Who waits for an event.
create table {schema}.workflow_wait (
    invocation_id uuid        not null,
    path          text        not null,
    app_id        text        not null,
    code          text        not null,
    filter        jsonb,                      -- what the payload must contain
    since         timestamptz not null,
    until         timestamptz,                -- in vain from then on
    -- await_event; record_step: it is over
    primary key (invocation_id, path)
);
-- wake_waiting: who waits for this one
create index workflow_wait_code_idx on {schema}.workflow_wait (app_id, code);

-- Runs that may go on. Whoever emits or resumes writes here and not into the state, of which others
-- may have the lock: promote makes them ready.
create table {schema}.workflow_wake (
    app_id        text not null,
    invocation_id uuid not null,
    -- wake_workflows
    primary key (app_id, invocation_id)
);

-- An event may be for one run alone.
alter table {schema}.event add column workflow_id uuid;
-- await_event: what has been emitted before it was waited for
create index event_code_idx on {schema}.event (app_id, code, emitted_at);
revoke all on {schema}.workflow, {schema}.workflow_step, {schema}.workflow_data, {schema}.workflow_wait,
    {schema}.workflow_wake from public;
