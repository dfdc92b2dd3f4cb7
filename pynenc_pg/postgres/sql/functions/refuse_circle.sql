-- Refuses a wait that would never end: its edges stand already. Internal to pause. Raises: PN012.
-- Who needs one end is stuck when that one is; who needs one of several, or a slot of its concurrency
-- key that several hold, when all of them are. A circle that is closed now runs through p_id; one that
-- a key has closed, because it has fewer slots now, may lie ahead of it.
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
    -- Most waits: all that was found was met once. Where nothing is met twice there is no circle.
    if cardinality(v_to) < cardinality(v_nodes) then
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
