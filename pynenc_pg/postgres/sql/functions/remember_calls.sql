-- Notes new invocations that may serve later calls which are equal; forgets those of before that
-- have ended, but the one that succeeded last. Of one call no more than 100 are known at a time, so
-- that a look at them stays short however many wait to be run. Internal to register_cached.
-- Locks: what it forgets, and passes over what others do.
create or replace function {schema}.remember_calls(
    p_app text, p_task text, p_ids uuid[], p_call_ids text[]
) returns void language plpgsql as $$
declare
    v_spare uuid[];
begin
    v_spare := array(
        select x.invocation_id
        from (select distinct u.call_id from unnest(p_call_ids) u (call_id)) c
        cross join lateral (
            select r.invocation_id, o.status,
                   row_number() over (order by o.status = 'success' desc, o.finished_at desc,
                                      r.invocation_id desc) as n
            from (select r.invocation_id from call_result r
                  where r.app_id = p_app and r.task_id = p_task and r.call_id = c.call_id offset 0) r
            cross join lateral (
                select o.status, o.finished_at from invocation_outcome o
                where o.invocation_id = r.invocation_id offset 0) o) e
        cross join lateral (
            select x.invocation_id from call_result x
            where x.invocation_id = e.invocation_id offset 0 for update skip locked) x
        where e.n > 1 or e.status <> 'success');
    if v_spare <> '{}' then
        delete from call_result r where r.invocation_id = any (v_spare);
    end if;

    insert into call_result (app_id, task_id, call_id, invocation_id)
    select p_app, p_task, c.call_id, i.id
    from (select u.call_id, array_agg(u.id order by u.n) as ids
          from unnest(p_ids, p_call_ids) with ordinality u (id, call_id, n) group by u.call_id) c
    cross join lateral (
        select count(*)::integer as n from (
            select from call_result r
            where r.app_id = p_app and r.task_id = p_task and r.call_id = c.call_id limit 100) r) known
    cross join lateral unnest(c.ids[:100 - known.n]) i (id)
    on conflict do nothing;
end $$;
