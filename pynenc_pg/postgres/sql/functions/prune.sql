-- Removes what has ended and is kept for a shorter time than the rest: `keep` and `keep_failed` of its task,
-- as the runners told last. Looks at up to p_limit ends that are old enough, after one, by id, passing over those of
-- other apps and younger ones; answers how many went, with their history, and where to go on (null: that was
-- the end). Beside purge the one verb that the guard lets delete.
-- Locks: the calls it removes; passes over what somebody runs again or forks. Raises nothing of its own.
create or replace function {schema}.prune(p_app text, p_after uuid, p_limit integer)
returns table (removed integer, next_after uuid) language plpgsql {definer} as $$
declare
    v_now   constant timestamptz := clock_timestamp();
    v_looks constant integer := 20 * p_limit;
    v_kept  double precision;
    v_old   uuid[];
    v_gone  uuid[];
    v_since timestamptz;
begin
    perform check_isolation();
    removed := 0;
    select min(least((t.options->>'keep')::double precision, (t.options->>'keep_failed')::double precision))
    into v_kept from task t where t.app_id = p_app;
    if v_kept is null then
        return next;
        return;
    end if;
    v_old := array(
        select s.id from (
            select o.invocation_id as id, o.app_id = p_app as own, o.finished_at from invocation_outcome o
            where o.invocation_id > p_after order by o.invocation_id limit v_looks) s
        where s.own and s.finished_at < v_now - make_interval(secs => v_kept) order by s.id limit p_limit);
    if cardinality(v_old) = p_limit then
        next_after := v_old[p_limit];
    else
        select o.invocation_id into next_after from invocation_outcome o
        where o.invocation_id > p_after order by o.invocation_id offset v_looks - 1 limit 1;
    end if;
    v_gone := unreferred(array(
        select s.id from unnest(v_old) s (id)
        cross join lateral (select o.status, o.finished_at from invocation_outcome o
                            where o.invocation_id = s.id and o.app_id = p_app offset 0) o
        cross join lateral (select i.task_id from invocation i where i.invocation_id = s.id offset 0) i
        cross join lateral (
            select coalesce(case when o.status = 'failed' then t.options->>'keep_failed' end,
                            t.options->>'keep')::double precision as seconds
            from task t where t.task_id = i.task_id and t.app_id = p_app order by t.told_at desc limit 1) k
        where o.finished_at < v_now - make_interval(secs => k.seconds)));
    if v_gone <> '{}' then
        perform set_config('pynenc.prune', pg_current_xact_id()::text, true);
        v_since := id_time(v_gone[1]) - interval '2 days';  -- clocks of clients may be a day off
        delete from workflow_data d where d.workflow_id = any (v_gone);
        delete from workflow_step s where s.invocation_id = any (v_gone);
        delete from workflow w where w.invocation_id = any (v_gone);
        delete from invocation_outcome o where o.invocation_id = any (v_gone);
        delete from invocation_error e where e.invocation_id = any (v_gone);
        delete from payload_ref r
        where uuid_send(r.invocation_id) = any (array(select uuid_send(g) from unnest(v_gone) g));
        delete from invocation i where i.invocation_id = any (v_gone);
        delete from invocation_history h
        where h.invocation_id = any (v_gone) and h.at >= v_since and h.at <= v_now;
        perform set_config('pynenc.prune', '', true);
        removed := cardinality(v_gone);
    end if;
    return next;
end $$;
