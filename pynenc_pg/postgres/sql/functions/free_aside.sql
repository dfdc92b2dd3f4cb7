-- Makes ready what was set aside and a live runner can take, p_limit at most; answers how many. Internal;
-- the caller has taken lock_tasks.
-- Moves nothing: due_at is cleared. Locks: the rows by id.
create or replace function {schema}.free_aside(p_app text, p_limit integer) returns integer language plpgsql as $$
declare
    v_ids  uuid[];
    v_live uuid[];
    v_done integer;
begin
    -- Of those that are alike one is looked at: there may be a great many.
    with kind as materialized (
        select distinct a.task_id, a.queue, a.names, a.refused_by from aside a
        where a.app_id = p_app and a.freed_at is null
    ), able as materialized (
        select k.* from kind k where is_able(p_app, k.task_id, k.queue, k.names, k.refused_by)
    )
    select array(
        select a.invocation_id from able b cross join lateral (
            select a.invocation_id from aside a
            where a.app_id = p_app and a.task_id = b.task_id and a.freed_at is null
              and a.queue = b.queue and a.names = b.names and a.refused_by = b.refused_by) a
        limit p_limit)
    into v_ids;
    if v_ids = '{}' then
        return 0;
    end if;
    perform from invocation_state s where s.invocation_id = any (v_ids)
    order by s.invocation_id for no key update;
    v_live := array(
        select d.id from unnest(v_ids) d (id) cross join lateral (
            select s.due_at from invocation_state s where s.invocation_id = d.id offset 0) s
        where s.due_at is not null);  -- others were cancelled meanwhile
    update invocation_state s set due_at = null, previous_status = s.status
    where s.invocation_id = any (v_live);
    v_done := cardinality(v_live);
    update aside a set freed_at = clock_timestamp() where a.invocation_id = any (v_ids);
    if v_done > 0 then
        perform notify(p_app, 'work');
    end if;
    return v_done;
end $$;
