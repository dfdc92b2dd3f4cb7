-- Brings back what the revision replaced, and removes what it made.
-- Written by tests/tools/freeze.py.
drop function {schema}.resume(p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_forget uuid[]);

drop function {schema}.release_strays(p_app text, p_runner text, p_known uuid[]);

drop function {schema}.register_2(p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision, p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid, p_depth integer, p_options text, p_changed_by text, p_own_connection boolean, p_ids uuid[], p_call_ids text[], p_arguments text[], p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean);

drop function {schema}.refuse_different(p_task text, p_ids uuid[], p_become uuid[], p_call_ids text[], p_arguments text[]);

drop function {schema}.refuse_circle(p_id uuid);

drop function {schema}.pause(p_app text, p_runner text, p_id uuid, p_lease bigint, p_awaited uuid[], p_any boolean, p_listener text);

drop function {schema}.own_children(p_id uuid, p_ids uuid[]);

drop function {schema}.lock_waits(p_app text, p_id uuid, p_awaited uuid[]);

drop function {schema}.hasten(p_app text, p_ids uuid[]);

drop function {schema}.claim(p_app text, p_runner text, p_queues text[], p_limit integer, p_idle boolean, p_floor_queues text[], p_floors double precision[], p_begin_below integer);

drop function {schema}.choose(p_app text, p_queue text, p_awaited uuid[], p_keyed uuid[], p_floor double precision, p_limit integer, p_now timestamptz);

-- The first of one queue by rank among work without a key and the candidates that hold a slot.
-- Internal to claim.
create or replace function {schema}.choose(
    p_app text, p_queue text, p_keyed uuid[], p_floor double precision, p_limit integer,
    p_now timestamptz
) returns uuid[] language plpgsql as $$
begin
    return array(
        with free as materialized (
            select s.invocation_id, s.rank from invocation_state s
            where s.app_id = p_app and s.queue = p_queue and s.rank >= p_floor
              and s.available and s.due_at is null and s.lane is null
              and (s.expires_at is null or s.expires_at > p_now)
            order by s.rank, s.invocation_id limit p_limit for no key update skip locked
        ), keyed as (
            select s.invocation_id, s.rank from unnest(p_keyed) k (id) cross join lateral (
                select * from invocation_state s where s.invocation_id = k.id offset 0) s
            where s.queue = p_queue
        )
        select c.invocation_id from (table free union all table keyed) c
        order by c.rank, c.invocation_id limit p_limit);
end $$;

-- Takes up to p_limit ready invocations for a runner, each with a lease of its own.
-- Moves: registered, rerouted, retry -> pending | concurrency_controlled | concurrency_controlled_final.
-- Locks: the runner's row against its removal (what it takes would be nobody's), lanes (skip locked: never waits, so they may come in the order of their turn), then rows
-- (skip locked). Raises: PN010 the runner is unknown or was declared dead.
-- p_queues in the order they are served; empty means all. p_idle: what the caller will do if
-- nothing is found, so that producers know whether somebody must be woken.
-- p_floors: by queue (in p_floor_queues) the rank below which the caller has lately seen nothing
-- ready. It is looked below only if nothing is found above. See PgOrchestrator, which uses it while
-- `looked`, the seconds that looking for work without a key took, is long.
create or replace function {schema}.claim(
    p_app text, p_runner text, p_queues text[], p_limit integer, p_idle boolean,
    p_floor_queues text[] default '{}', p_floors double precision[] default '{}'
) returns table (
    invocation_id uuid, task_id text, arguments text, lease bigint, retries integer,
    recoveries integer, parent_id uuid, depth integer, options text, queue text,
    rank double precision, looked double precision
) language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_queues  text[];
    v_queue   text;
    v_left    integer := p_limit;
    v_lanes   bigint[];
    v_keyed   uuid[];
    v_taken   uuid[] := '{}';
    v_ids     uuid[];
    v_floor   double precision;
    v_looked  double precision;
    v_idle    boolean;
    v_idle_at timestamptz;
begin
    perform check_isolation();
    select r.idle, r.idle_at into v_idle, v_idle_at from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app and r.dead_at is null
    for key share;
    if not found then
        raise exception 'runner % is not registered, or was declared dead', p_runner
            using errcode = 'PN010', hint = 'Its work was given to others; start a new runner.';
    end if;
    v_queues := open_queues(p_app, p_queues);
    select t.lanes, t.candidates into v_lanes, v_keyed
    from take_slots(p_app, v_queues, p_limit, v_now) t;
    -- After the lanes were locked: by the history, too, a slot is taken after it was freed.
    v_now := clock_timestamp();

    loop
        foreach v_queue in array v_queues loop
            exit when v_left <= 0;
            v_floor := coalesce(p_floors[array_position(p_floor_queues, v_queue)], '-infinity');
            if v_keyed = '{}' then
                v_ids := array(
                    select s.invocation_id from invocation_state s
                    where s.app_id = p_app and s.queue = v_queue and s.rank >= v_floor
                      and s.available and s.due_at is null and s.lane is null
                      and (s.expires_at is null or s.expires_at > v_now)
                    order by s.rank, s.invocation_id limit v_left for no key update skip locked);
            else
                v_ids := choose(p_app, v_queue, v_keyed, v_floor, v_left, v_now);
            end if;
            v_taken := v_taken || v_ids;
            v_left := v_left - cardinality(v_ids);
        end loop;
        exit when v_taken <> '{}' or p_floors = '{}';
        p_floors := '{}';
    end loop;
    v_looked := extract(epoch from clock_timestamp() - v_now);
    if v_lanes <> '{}' then
        perform settle_slots(v_lanes, v_keyed, v_taken, p_runner, v_now);
    end if;

    -- Asleep at once, awake once a second at most: that is how long producers notify after it all the
    -- same, and a row that changes with every call is slow to read while an old snapshot is held.
    if v_taken = '{}' and p_idle and not v_idle
       or v_taken <> '{}' and v_idle and v_idle_at < v_now - interval '1 second' then
        update runner r set idle = not r.idle, idle_at = v_now where r.runner_id = p_runner;
    end if;
    return query
    with taken as (
        update invocation_state s
        set status = 'pending', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, runner_id = p_runner,
            lease = nextval('lease_seq'), rev = s.rev + 1, proof = null, changed_by = p_runner
        from unnest(v_taken) with ordinality t (id, n)
        where s.invocation_id = t.id
        returning s.invocation_id, s.lease, s.retries, s.recoveries, s.queue, s.rank, t.n
    )
    select t.invocation_id, i.task_id, i.arguments::text, t.lease, t.retries, t.recoveries,
           i.parent_id, i.depth, i.options::text, t.queue, t.rank, v_looked
    from taken t join invocation i on i.invocation_id = t.invocation_id
    order by t.n;
end $$;

-- Of the queues asked for (none: all of the app), in order, those that are not paused. Internal.
create or replace function {schema}.open_queues(p_app text, p_queues text[]) returns text[]
language plpgsql as $$
begin
    if p_queues = '{}' then
        return array(select q.queue from queue q where q.app_id = p_app and not q.paused order by q.queue);
    end if;
    return array(select a.name from unnest(p_queues) with ordinality a (name, n)
                 join queue q on q.app_id = p_app and q.queue = a.name
                 where not q.paused order by a.n);
end $$;

-- Accepts calls of one task as REGISTERED, all or none; returns the id each call became.
-- Moves: (new) -> registered. Locks: lanes by key (key share), then registration keys in order.
-- Raises: PN008 isolation, PN009 an id whose time is more than a day off.
create or replace function {schema}.register(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[]
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_due     timestamptz := case when p_delay > 0 then v_now + make_interval(secs => p_delay) end;
    v_expires timestamptz := v_now + make_interval(secs => p_expires_in);
    v_rank    double precision := extract(epoch from coalesce(v_due, v_now)) - p_priority * 60;
    v_lanes   bigint[] := array_fill(null::bigint, array[cardinality(p_ids)]);
    v_become  uuid[] := p_ids;
    v_fresh   uuid[];
begin
    perform check_isolation();
    perform prepare_registration(p_app, p_queue, p_ids, v_now);
    if p_lane_keys is not null then
        v_lanes := share_lanes(p_app, p_queue, p_lane_keys, p_slots, p_changed_by);
    end if;
    if p_registration_keys is not null then
        v_become := reserve_keys(p_app, p_queue, v_now, v_due, v_expires, v_rank, p_must_not_wait,
                                 p_changed_by, p_ids, p_registration_keys, v_lanes);
    end if;

    with fresh as (
        insert into invocation (
            invocation_id, app_id, task_id, call_id, arguments, options, queue, priority,
            parent_id, depth, registered_at, registered_by)
        select c.id, p_app, p_task, c.call_id, c.arguments::json, p_options::json, p_queue,
               p_priority, p_parent, p_depth, v_now, p_changed_by
        from unnest(p_ids, p_call_ids, p_arguments, v_become) c (id, call_id, arguments, become)
        where c.id = c.become
        on conflict (invocation_id) do nothing
        returning invocation_id
    )
    select array(select f.invocation_id from fresh f) into v_fresh;
    if p_registration_keys is null then
        insert into invocation_state (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait)
        select c.id, p_app, p_queue, 'registered', v_now, p_changed_by, v_rank, v_due, v_expires,
               c.lane, p_must_not_wait
        from unnest(p_ids, v_lanes) with ordinality c (id, lane, n)
        where cardinality(v_fresh) = cardinality(p_ids)
           or c.id = any (v_fresh) and c.n = array_position(p_ids, c.id);
    end if;

    if v_due is not null then
        perform notify(p_app, 'due', to_json(p_delay));
    elsif not p_own_connection or somebody_idle(p_app, v_now) then
        perform notify(p_app, 'work');
    end if;
    return v_become;
end $$;

-- Ends an attempt after which another one is to follow. Answers only those not done: lost | already.
-- Moves: running, resumed -> retry; with cancellation asked for: -> failed after it.
-- Locks: lanes by key, then rows by id. retries grow with the reasons error and timeout alone.
create or replace function {schema}.retry(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_reasons text[],
    p_delays double precision[], p_errors text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
    v_off   uuid[];
    v_next  double precision;
    v_ready boolean;
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.reason, e.delay, e.error
        from (select * from unnest(p_ids, p_leases, p_reasons, p_delays, p_errors)
                   e (id, lease, reason, delay, error) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for no key update) s
    ), again as (
        update invocation_state s
        set status = 'retry', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = m.reason, runner_id = null,
            rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner,
            retries = s.retries + (m.reason in ('error', 'timeout'))::int,
            due_at = case when m.delay > 0 then v_now + make_interval(secs => m.delay) end
        from mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id, s.rev, m.error, m.delay, s.cancel_requested_at
    ), kept as (
        insert into invocation_error (invocation_id, rev, error, at)
        select a.invocation_id, a.rev, a.error::json, v_now from again a where a.error is not null
    )
    select array_agg(a.invocation_id),
           array_agg(a.invocation_id) filter (where a.cancel_requested_at is not null),
           min(a.delay) filter (where a.delay > 0), bool_or(coalesce(a.delay, 0) <= 0)
    into v_done, v_off, v_next, v_ready from again a;

    if v_off is not null then
        perform end_unowned(v_off, 'failed', 'cancelled', p_runner);
    end if;
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_ready then
        perform notify(p_app, 'work');
    end if;
    if v_next is not null then
        perform notify(p_app, 'due', to_json(v_next));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_history h where h.invocation_id = e.id and h.status = 'retry'
        and h.lease = e.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (coalesce(v_done, '{}'));
end $$;

-- Asks for a notification on the channel p_listener when each of these ends; answers those that
-- are not live, so that the caller reads their outcomes now.
-- Locks: the hot rows by id, key share: an end waits for us, a claim does not.
create or replace function {schema}.watch(p_app text, p_ids uuid[], p_listener text)
returns uuid[] language plpgsql {definer} as $$
declare
    v_live uuid[];
begin
    perform check_isolation();
    perform from invocation_state s where s.invocation_id = any (p_ids)
    order by s.invocation_id for key share;
    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select s.invocation_id from invocation_state s
                    where s.invocation_id = any (p_ids) and s.app_id = p_app);
    insert into wait_edge (app_id, awaited_id, listener)
    select p_app, l.id, p_listener from unnest(v_live) l (id)
    on conflict (awaited_id, listener, waiter_id) do nothing;
    return array(select i from unnest(p_ids) i where i <> all (v_live));
end $$;

revoke all on all functions in schema {schema} from public;
