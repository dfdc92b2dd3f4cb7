-- The latest p_limit ends of an app's invocations, as far as the last p_pages pages of the history go: how
-- long each ran at last, and how long after its call it began, where it needed one attempt alone.
create or replace function {schema}.recent_ends(p_app text, p_pages integer, p_limit integer)
returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, at timestamptz,
    ran_seconds double precision, waited_seconds double precision
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select e.invocation_id, i.task_id, i.queue, e.status, e.reason, e.at,
           extract(epoch from e.at - b.at)::double precision,
           case when e.rev = 3 then extract(epoch from b.at - i.registered_at)::double precision end
    from (select * from recent_history(p_app, p_pages) r
          where r.status in ('success', 'failed', 'concurrency_controlled_final')
          order by r.at desc limit p_limit) e
    cross join lateral (select * from invocation i where i.invocation_id = e.invocation_id offset 0) i
    left join lateral (
        select h.at from invocation_history h
        where h.invocation_id = e.invocation_id and h.rev = e.rev - 1
          and h.at <= e.at and h.at >= id_time(e.invocation_id) - interval '1 day'
          and h.status in ('running', 'resumed') offset 0) b on true
    order by e.at desc;
end $$;
