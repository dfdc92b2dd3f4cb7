-- Finds, for calls in order, the equal one that succeeded last, if that was after p_since (null: however
-- long ago); null where there is none. An id that is there already is that call itself.
-- Internal to register_cached. Locks nothing.
create or replace function {schema}.recall(
    p_app text, p_task text, p_ids uuid[], p_call_ids text[], p_since timestamptz
) returns uuid[] language plpgsql as $$
begin
    return (
        select array_agg(case when l.invocation_id is not null and not exists (
                             select from invocation i where i.invocation_id = p_ids[p.n])
                         then l.invocation_id end order by p.n)
        -- Each call once, however often it stands in the batch.
        from (select u.call_id, array_agg(u.n) as places
              from unnest(p_call_ids) with ordinality u (call_id, n) group by u.call_id) c
        left join lateral (
            select o.invocation_id
            from (select r.invocation_id from call_result r
                  where r.app_id = p_app and r.task_id = p_task and r.call_id = c.call_id offset 0) r
            cross join lateral (
                select o.invocation_id, o.finished_at from invocation_outcome o
                where o.invocation_id = r.invocation_id and o.status = 'success' offset 0) o
            where p_since is null or o.finished_at > p_since
            order by o.finished_at desc, o.invocation_id desc limit 1) l on true
        cross join lateral unnest(c.places) p (n));
end $$;
