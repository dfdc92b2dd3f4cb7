-- Takes up to p_limit ready invocations for a runner, each with a lease of its own.
-- Moves: registered, rerouted, retry -> pending | concurrency_controlled | concurrency_controlled_final;
-- those that were recovered fewer than p_begin_below times go on at once: pending -> running, both in one
-- version of the row.
-- What others wait for comes first, the deepest before the others; then by rank.
-- Locks: the runner's row against its removal (what it takes would be nobody's), a place among those who
-- claim much, lanes (skip locked: never waits, so they may come in the order of their turn), then rows
-- (skip locked). Raises: PN010 the runner is unknown or was declared dead.
-- p_queues in the order they are served; empty means all. p_idle: whether the caller sleeps if less
-- than p_limit is found, so that producers know whether somebody must be woken.
-- p_floors: by queue (in p_floor_queues) the rank below which the caller has lately seen nothing
-- ready. It is looked below only if nothing is found above. See PgOrchestrator, which uses it while
-- `looked`, the seconds that looking for work without a key took, is long. rank is null of what did not
-- come by its rank.
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
    v_lanes   bigint[] := '{}';
    v_keyed   uuid[] := '{}';
    v_turns   double precision[];
    v_awaited uuid[];
    v_taken   uuid[] := '{}';
    v_ids     uuid[];
    v_floor   double precision;
    v_looked  double precision;
    v_idle    boolean;
    v_idle_at timestamptz;
    v_place   integer;
begin
    perform check_isolation();
    select r.idle, r.idle_at into v_idle, v_idle_at from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app and r.dead_at is null
    for key share;
    if not found then
        raise exception 'runner % is not registered, or was declared dead', p_runner
            using errcode = 'PN010', hint = 'Its work was given to others; start a new runner.';
    end if;
    -- Two may claim much of the same queues at once, the others wait in line for a moment, with nothing
    -- of a claim's locks; but whoever slept until now begins at once. Many at once go through rows that
    -- the others have taken since they began to look, lock each, and the ends of those wait for them.
    -- Which line is chance: nobody stands always behind one that is held up.
    -- See docs/decisions/0013-claims-wait-in-line.md.
    if p_limit >= 16 and not v_idle then
        v_place := -4000000 - 2 * (hashtext(p_app || p_queues::text) & 1048575);
        if not pg_try_advisory_xact_lock(lock_space(), v_place)
           and not pg_try_advisory_xact_lock(lock_space(), v_place - 1)
        then
            perform wait_in_line(v_place - (random() < 0.5)::integer);
            v_now := clock_timestamp();
        end if;
    end if;
    v_queues := open_queues(p_app, p_queues);
    -- Most queues have no lanes, and preparing to go through them takes longer than to see that.
    if exists (select from unnest(v_queues) q (name) cross join lateral (
                   select from lane l where l.app_id = p_app and l.queue = q.name and l.open
                   order by l.served, l.key limit 1) x)
       or exists (select from (
                   select from lane l where l.queue is null and l.app_id is not distinct from p_app
                   and l.open
                   order by l.served, l.key limit 1) x)
    then
        select t.lanes, t.candidates, t.turns into v_lanes, v_keyed, v_turns
        from take_slots(p_app, v_queues, p_limit, v_now) t;
    end if;
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
                order by s.awaited desc, s.rank, s.invocation_id limit v_left for no key update skip locked);
            if v_awaited <> '{}' or v_keyed <> '{}' then
                v_ids := choose(p_app, v_queue, v_awaited, v_keyed, v_turns, v_floor, v_left, v_now);
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
        perform settle_slots(p_app, v_lanes, v_keyed, v_taken, p_runner, v_now);
    end if;

    -- Asleep at once, awake once a second at most: that is how long producers notify after it all the
    -- same, and a row that changes with every call is slow to read while an old snapshot is held.
    if v_left > 0 and p_idle and not v_idle
       or v_left <= 0 and v_idle and v_idle_at < v_now - interval '1 second' then
        update runner r set idle = not r.idle, idle_at = v_now where r.runner_id = p_runner;
    end if;
    update invocation_state s
    set status = case when s.recoveries < p_begin_below then 'running' else 'pending' end::invocation_status,
        rev = s.rev + case when s.recoveries < p_begin_below then 2 else 1 end,
        previous_status = s.status, status_at = greatest(v_now, s.status_at), reason = null,
        runner_id = p_runner, lease = nextval('lease_seq'), proof = null, changed_by = p_runner,
        registration_key = case when s.recoveries < p_begin_below then null else s.registration_key end,
        expires_at = case when s.recoveries < p_begin_below then null else s.expires_at end
    where s.invocation_id = any (v_taken);
    return query
    select i.invocation_id, i.task_id, i.arguments::text, s.lease, s.retries, s.recoveries,
           i.parent_id, i.depth, i.options::text, s.queue,
           case when s.lane is null and s.awaited is null then s.rank end, v_looked
    from unnest(v_taken) with ordinality t (id, n)
    cross join lateral (select * from invocation_state s where s.invocation_id = t.id offset 0) s
    cross join lateral (select * from invocation i where i.invocation_id = t.id offset 0) i
    order by t.n;
end $$;
