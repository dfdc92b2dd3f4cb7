-- The first of one queue: what others wait for, then by rank, among work without a key and the
-- candidates that hold a slot. p_awaited: work without a key that others wait for. Internal to claim.
create or replace function {schema}.choose(
    p_app text, p_queue text, p_awaited uuid[], p_keyed uuid[], p_floor double precision,
    p_limit integer, p_now timestamptz
) returns uuid[] language plpgsql as $$
begin
    return array(
        with free as materialized (
            select s.invocation_id, s.awaited, s.rank from invocation_state s
            where s.app_id = p_app and s.queue = p_queue and s.rank >= p_floor
              and s.available and s.due_at is null and s.lane is null
              and (s.expires_at is null or s.expires_at > p_now)
              and s.invocation_id <> all (p_awaited)
            order by s.rank, s.invocation_id limit p_limit - cardinality(p_awaited)
            for no key update skip locked
        ), known as (
            select s.invocation_id, s.awaited, s.rank
            from unnest(p_awaited || p_keyed) k (id) cross join lateral (
                select * from invocation_state s where s.invocation_id = k.id offset 0) s
            where s.queue = p_queue
        )
        select c.invocation_id from (table free union all table known) c
        order by c.awaited desc nulls last, c.rank, c.invocation_id limit p_limit);
end $$;

-- Takes up to p_limit ready invocations for a runner, each with a lease of its own.
-- Moves: registered, rerouted, retry -> pending | concurrency_controlled | concurrency_controlled_final;
-- those that were recovered fewer than p_begin_below times go on at once: pending -> running.
-- What others wait for comes first, the deepest before the others; then by rank.
-- Locks: the runner's row against its removal (what it takes would be nobody's), lanes (skip locked:
-- never waits, so they may come in the order of their turn), then rows (skip locked). Raises: PN010 the runner is unknown or was declared dead.
-- p_queues in the order they are served; empty means all. p_idle: whether the caller sleeps if less
-- than p_limit is found, so that producers know whether somebody must be woken.
-- p_floors: by queue (in p_floor_queues) the rank below which the caller has lately seen nothing
-- ready. It is looked below only if nothing is found above. See PgOrchestrator, which uses it while
-- `looked`, the seconds that looking for work without a key took, is long.
create or replace function {schema}.claim(
    p_app text, p_runner text, p_queues text[], p_limit integer, p_idle boolean,
    p_floor_queues text[] default '{}', p_floors double precision[] default '{}',
    p_begin_below integer default 0
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
    v_awaited uuid[];
    v_taken   uuid[] := '{}';
    v_begin   uuid[];
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
            v_awaited := array(
                select s.invocation_id from invocation_state s
                where s.app_id = p_app and s.queue = v_queue and s.awaited is not null
                  and s.available and s.due_at is null and s.lane is null
                  and (s.expires_at is null or s.expires_at > v_now)
                order by s.awaited desc, s.rank limit v_left for no key update skip locked);
            if v_awaited <> '{}' or v_keyed <> '{}' then
                v_ids := choose(p_app, v_queue, v_awaited, v_keyed, v_floor, v_left, v_now);
            else
                v_ids := array(
                    select s.invocation_id from invocation_state s
                    where s.app_id = p_app and s.queue = v_queue and s.rank >= v_floor
                      and s.available and s.due_at is null and s.lane is null
                      and (s.expires_at is null or s.expires_at > v_now)
                    order by s.rank, s.invocation_id limit v_left for no key update skip locked);
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
    if v_left > 0 and p_idle and not v_idle
       or v_left <= 0 and v_idle and v_idle_at < v_now - interval '1 second' then
        update runner r set idle = not r.idle, idle_at = v_now where r.runner_id = p_runner;
    end if;
    with taken as (
        update invocation_state s
        set status = 'pending', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, runner_id = p_runner,
            lease = nextval('lease_seq'), rev = s.rev + 1, proof = null, changed_by = p_runner
        from unnest(v_taken) t (id)
        where s.invocation_id = t.id
        returning s.invocation_id, s.recoveries
    )
    select array(select t.invocation_id from taken t where t.recoveries < p_begin_below) into v_begin;
    if v_begin <> '{}' then
        update invocation_state s
        set status = 'running', previous_status = s.status, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, registration_key = null, expires_at = null
        from unnest(v_begin) t (id)
        where s.invocation_id = t.id;
    end if;
    return query
    select i.invocation_id, i.task_id, i.arguments::text, s.lease, s.retries, s.recoveries,
           i.parent_id, i.depth, i.options::text, s.queue, s.rank, v_looked
    from unnest(v_taken) with ordinality t (id, n)
    join invocation_state s on s.invocation_id = t.id
    join invocation i on i.invocation_id = t.id
    order by t.n;
end $$;

-- Marks what is waited for, so that claims take it first, the deepest before the others. Internal
-- to pause. Rows that somebody else has locked are taken or changed just now: they are left out.
-- Two statements: PostgreSQL 18.6 crashed where an UPDATE looked for the partition of each depth.
create or replace function {schema}.hasten(p_app text, p_ids uuid[]) returns void
language plpgsql as $$
declare
    v_ids    uuid[];
    v_depths integer[];
begin
    select array_agg(s.invocation_id), array_agg(i.depth) into v_ids, v_depths
    from (select s.invocation_id from unnest(p_ids) a (id) cross join lateral (
              select s.invocation_id from invocation_state s
              where s.invocation_id = a.id and s.awaited is null and s.runner_id is null
              offset 0 for no key update skip locked) s offset 0) s
    join invocation i on i.invocation_id = s.invocation_id;
    if v_ids is not null then
        update invocation_state s set awaited = m.depth, previous_status = s.status
        from unnest(v_ids, v_depths) m (id, depth) where s.invocation_id = m.id;
        perform notify(p_app, 'work');  -- a claim that met them locked has passed them by
    end if;
end $$;

-- The first lock of a wait; answers whether it can close no circle. Internal to pause.
-- A circle has a wait for somebody else's work, or runs through a concurrency key. Those take the
-- lock alone, so that of two that close one together the second sees the first. A wait for one's
-- own children, who wait for nobody yet and have no key, can only be the beginning of one: such
-- waits share it.
create or replace function {schema}.lock_waits(p_app text, p_id uuid, p_awaited uuid[])
returns boolean language plpgsql as $$
declare
    v_lock constant bigint := hashtextextended('{schema_name}.waits.' || p_app, 0);
begin
    if own_children(p_id, p_awaited) then
        begin
            perform pg_advisory_xact_lock_shared(v_lock);
            -- A new statement: what they did while we waited for the lock counts.
            if own_children(p_id, p_awaited) then
                return true;
            end if;
            raise object_not_in_prerequisite_state;
        exception when object_not_in_prerequisite_state then
            null;  -- undone is the shared lock: two that hold it could never get it alone
        end;
    end if;
    perform pg_advisory_xact_lock(v_lock);
    return false;
end $$;

-- Of the queues asked for, in order, those that are not paused. None asked for means all of the app,
-- by name; * all that are not named beside it. Internal.
create or replace function {schema}.open_queues(p_app text, p_queues text[]) returns text[]
language plpgsql as $$
begin
    if p_queues = '{}' then
        return array(select q.queue from queue q where q.app_id = p_app and not q.paused order by q.queue);
    end if;
    if '*' = any (p_queues) then
        return array(select q.queue from queue q
                     where q.app_id = p_app and not q.paused
                     order by coalesce(array_position(p_queues, q.queue), array_position(p_queues, '*')),
                              q.queue);
    end if;
    return array(select q.queue from queue q
                 where q.app_id = p_app and q.queue = any (p_queues) and not q.paused
                 order by array_position(p_queues, q.queue));
end $$;

-- Whether these are children of the invocation that have no concurrency key and wait for nobody.
-- Internal to lock_waits.
create or replace function {schema}.own_children(p_id uuid, p_ids uuid[]) returns boolean
language plpgsql as $$
begin
    return not exists (select from wait_edge e where e.waiter_id = any (p_ids))
       and not exists (
           select from unnest(p_ids) a (id) cross join lateral (
               select s.lane from invocation_state s where s.invocation_id = a.id offset 0) s
           where s.lane is not null)
       and not exists (
           select from unnest(p_ids) a (id) left join lateral (
               select i.parent_id from invocation i where i.invocation_id = a.id offset 0) i on true
           where i.parent_id is distinct from p_id);
end $$;

-- Lets an invocation wait for others to end; answers the outcomes of those that have.
-- Moves: running, resumed -> paused, unless enough has ended: the first of p_awaited or, with
-- p_any, one of them. Again by its owner it adds what is waited for. The slot of its concurrency
-- key stays its own.
-- Locks: the waits of the app (its own children alone: shared), then rows by id.
-- Raises: PN002 it is not ours, PN012 the wait would never end, PN014 an id that nobody knows.
create or replace function {schema}.pause(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_awaited uuid[], p_any boolean,
    p_listener text
) returns table (
    invocation_id uuid, status text, value text, reason text, runner_id text, finished_at timestamptz)
language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_tree    boolean;
    v_live    uuid[];
    v_held    boolean;
    v_unknown uuid;
begin
    perform check_isolation();
    v_tree := lock_waits(p_app, p_id, p_awaited);
    -- An end waits for us, a claim does not.
    perform from invocation_state s where s.invocation_id = any (p_awaited) and s.invocation_id < p_id
    order by s.invocation_id for key share;
    select true into v_held from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app and s.runner_id is not distinct from p_runner
      and s.lease = p_lease and s.status in ('running', 'resumed', 'paused') for no key update;
    if not found then
        raise exception 'invocation % cannot wait: runner % does not hold it', p_id, p_runner
            using errcode = 'PN002', hint = 'It was given to another runner; its task must stop.';
    end if;
    perform from invocation_state s where s.invocation_id = any (p_awaited) and s.invocation_id > p_id
    order by s.invocation_id for key share;

    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select a.id from unnest(p_awaited) a (id) where exists (
                        select from invocation_state s where s.invocation_id = a.id and s.app_id = p_app
                        offset 0));
    if cardinality(v_live) < cardinality(p_awaited) then
        select a.id into v_unknown from unnest(p_awaited) a (id)
        where a.id <> all (v_live) and not exists (
            select from outcomes(p_app, array[a.id])) limit 1;
        if found then
            raise exception 'invocation % waits for % that this app has never seen, or that was purged',
                    p_id, v_unknown
                using errcode = 'PN014', hint = 'Call the task again.';
        end if;
    end if;
    if p_any and cardinality(v_live) = cardinality(p_awaited)
       or not p_any and p_awaited[1] = any (v_live) then
        insert into wait_edge (app_id, awaited_id, waiter_id, listener, needed)
        select p_app, l.id, p_id, p_listener,
               case when p_any then 2 when l.id = p_awaited[1] then 1 else 0 end
        from unnest(v_live) l (id)
        on conflict (awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid)))
        do update set needed = excluded.needed where excluded.needed > 0;
        if not v_tree then
            perform refuse_circle(p_id);
        end if;
        perform hasten(p_app, v_live);
        update invocation_state s
        set status = 'paused', previous_status = s.status, status_at = greatest(v_now, s.status_at),
            reason = null, rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner
        where s.invocation_id = p_id and s.status <> 'paused';
    end if;
    if cardinality(v_live) = cardinality(p_awaited) then
        return;
    end if;
    return query select * from outcomes(p_app, array(
        select a.id from unnest(p_awaited) a (id) where a.id <> all (v_live)));
end $$;

-- Refuses a wait that would never end: its edges stand already. Internal to pause. Raises: PN012.
-- Who needs one end is stuck when that one is; who needs one of several, or a slot of its concurrency
-- key that several hold, when all of them are. A circle that is closed now runs through p_id.
create or replace function {schema}.refuse_circle(p_id uuid) returns void language plpgsql as $$
declare
    v_nodes  uuid[] := array[p_id];
    v_new    uuid[] := array[p_id];
    v_from   uuid[] := '{}';
    v_to     uuid[] := '{}';
    v_one_of boolean[] := '{}';
    v_found  record;
    v_free   uuid[] := '{}';
    v_path   uuid[] := array[p_id];
begin
    while v_new <> '{}' loop
        select array_agg(f.id) as waiters, array_agg(n.id) as awaited, array_agg(n.one_of) as one_of
        into v_found
        from unnest(v_new) f (id)
        cross join lateral (select s.status, s.lane, s.runner_id from invocation_state s
                            where s.invocation_id = f.id offset 0) s
        cross join lateral (
            select e.awaited_id as id, e.needed = 2 as one_of from wait_edge e
            where e.waiter_id = f.id and e.needed > 0 and (s.status = 'paused' or f.id = p_id)
            union all
            select x.invocation_id, true from lane l join slot x on x.lane = l.lane_id
            where l.lane_id = s.lane and s.runner_id is null
              and l.slots <= (select count(*) from slot c where c.lane = s.lane)
        ) n;
        exit when v_found.waiters is null;
        v_from := v_from || v_found.waiters;
        v_to := v_to || v_found.awaited;
        v_one_of := v_one_of || v_found.one_of;
        v_new := array(select distinct t from unnest(v_found.awaited) t where t <> all (v_nodes));
        v_nodes := v_nodes || v_new;
    end loop;
    if p_id <> all (v_to) then
        return;
    end if;

    loop  -- whoever can go on lets others go on
        v_new := array(
            select n.id from unnest(v_nodes) n (id)
            left join unnest(v_from, v_to, v_one_of) e (waiter, awaited, one_of) on e.waiter = n.id
            where n.id <> all (v_free)
            group by n.id
            having coalesce(bool_and(e.awaited = any (v_free)) filter (where not e.one_of), true)
               and coalesce(bool_or(e.awaited = any (v_free)) filter (where e.one_of), true));
        exit when v_new = '{}';
        v_free := v_free || v_new;
    end loop;
    if p_id = any (v_free) then
        return;
    end if;
    loop
        v_path := v_path || (
            select e.awaited from unnest(v_from, v_to) e (waiter, awaited)
            where e.waiter = v_path[cardinality(v_path)] and e.awaited <> all (v_free)
            order by e.awaited <> p_id, e.awaited = any (v_path), e.awaited limit 1);
        exit when v_path[cardinality(v_path)] = any (v_path[:cardinality(v_path) - 1]);
    end loop;
    raise exception 'invocation % would wait for ever: %', p_id, (
            select string_agg(format('%s (%s)', p.id, i.task_id), ' -> ' order by p.n)
            from unnest(v_path) with ordinality p (id, n)
            left join lateral (select i.task_id from invocation i where i.invocation_id = p.id offset 0) i
            on true)
        using errcode = 'PN012', detail = array_to_string(v_path, ' '),
              hint = 'Each waits for the next, or for a slot of the concurrency key it holds.';
end $$;

-- Refuses the batch if a call became an invocation (or a call of the same batch) that has other
-- arguments. Internal to register_2, which has written the rows and holds the keys by then.
-- Raises: PN013, DETAIL: the ids of the invocation and of the call.
create or replace function {schema}.refuse_different(
    p_task text, p_ids uuid[], p_become uuid[], p_call_ids text[], p_arguments text[]
) returns void language plpgsql as $$
declare
    v_held uuid;
    v_call uuid;
begin
    -- Equal calls have equal call ids; an older release may have made the invocation's another way.
    select c.become, c.id into v_held, v_call
    from unnest(p_ids, p_become, p_call_ids, p_arguments) with ordinality
             c (id, become, call_id, arguments, n)
    join invocation i on i.invocation_id = c.become
    where c.id <> c.become and i.call_id <> c.call_id and i.arguments::text <> c.arguments
    order by c.n limit 1;
    if found then
        raise exception 'invocation % of % is registered with the same key and other arguments',
            v_held, p_task using errcode = 'PN013', detail = v_held || ' ' || v_call,
            hint = 'Call again when it has started, or with the same arguments.';
    end if;
end $$;

-- As register_2, which has replaced it, without its last parameter: here for clients of the release
-- before. Moves: (new) -> registered. Raises: as register_2, but for PN013.
create or replace function {schema}.register(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[]
) returns uuid[] language plpgsql {definer} as $$
begin
    return register_2(p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots,
                      p_must_not_wait, p_parent, p_depth, p_options, p_changed_by,
                      p_own_connection, p_ids, p_call_ids, p_arguments, p_registration_keys,
                      p_lane_keys, false);
end $$;

-- Accepts calls of one task as REGISTERED, all or none; returns the id each call became.
-- Moves: (new) -> registered. Locks: lanes by key (key share), then registration keys in order.
-- Raises: PN008 isolation, PN009 an id whose time is more than a day off; where p_refuse_different,
-- PN013 a registration key that belongs to an invocation with other arguments.
create or replace function {schema}.register_2(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean
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
    elsif p_refuse_different then
        perform refuse_different(p_task, p_ids, v_become, p_call_ids, p_arguments);
    end if;

    if v_due is not null then
        perform notify(p_app, 'due', to_json(p_delay));
    elsif not p_own_connection or somebody_idle(p_app, v_now) then
        perform notify(p_app, 'work');
    end if;
    return v_become;
end $$;

-- Gives back what a runner holds without knowing: claims whose answers were lost on the way.
-- p_known: what it knows of. Answers how many there were. Moves and locks: as release; first the
-- runner's row, so that a claim of it that is still under way is waited for.
create or replace function {schema}.release_strays(p_app text, p_runner text, p_known uuid[])
returns integer language plpgsql {definer} as $$
declare
    v_ids    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    perform from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app for update;
    select array_agg(s.invocation_id), array_agg(s.lease) into v_ids, v_leases
    from invocation_state s
    where s.runner_id = p_runner and s.runner_id is not null and s.app_id = p_app
      and s.invocation_id <> all (p_known);
    if v_ids is null then
        return 0;
    end if;
    perform release(p_app, p_runner, v_ids, v_leases);
    return cardinality(v_ids);
end $$;

-- Lets invocations go on after a wait. Answers only those that were not done: lost | already.
-- Moves: paused -> resumed. Locks: rows by id. p_forget: what is not waited for any longer.
create or replace function {schema}.resume(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_forget uuid[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_done uuid[];
begin
    perform check_isolation();
    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner and s.status = 'paused'
            offset 0 for no key update) s
    ), gone_on as (
        update invocation_state s
        set status = 'resumed', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, changed_by = p_runner
        from mine m where s.invocation_id = m.invocation_id
        returning s.invocation_id
    )
    select array(select g.invocation_id from gone_on g) into v_done;
    if p_forget <> '{}' then
        delete from wait_edge w where w.edge_id in (
            select e.edge_id from unnest(p_ids, p_leases) h (id, lease)
            cross join lateral (select from invocation_state s
                                where s.invocation_id = h.id and s.lease = h.lease offset 0) s
            cross join lateral (select e.edge_id, e.awaited_id from wait_edge e
                                where e.waiter_id = h.id offset 0) e
            where e.awaited_id = any (p_forget));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select h.id, case when exists (
        select from invocation_state s where s.invocation_id = h.id
        and s.runner_id is not distinct from p_runner and s.lease = h.lease
        and s.status in ('running', 'resumed') offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) h (id, lease) where h.id <> all (v_done);
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

    if v_done is not null then
        delete from wait_edge e where e.waiter_id = any (v_done);
    end if;
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
    on conflict (awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid))) do nothing;
    return array(select i from unnest(p_ids) i where i <> all (v_live));
end $$;
