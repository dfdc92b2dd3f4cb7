-- Tells whoever waits for these that they have ended, and forgets the edges. Internal.
-- A new statement after the end was written: whoever added an edge before is seen here, whoever
-- comes later sees the end.
create or replace function {schema}.wake_waiters(p_ids uuid[]) returns void language plpgsql as $$
declare
    v_edge record;
begin
    for v_edge in
        with gone as (
            delete from wait_edge e where e.awaited_id = any (p_ids)
            returning e.listener, e.awaited_id
        )
        select g.listener, case when count(*) <= 150 then array_agg(g.awaited_id) end as ids
        from gone g group by g.listener
    loop
        perform pg_notify(v_edge.listener, coalesce(to_json(v_edge.ids)::text, '[]'));
    end loop;
end $$;
