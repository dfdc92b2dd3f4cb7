-- What stands in each queue of an app, or of all (null): for people. Where there is more than some ten thousand
-- it looks at a sample of the pages, and answers estimates (exact: false); the view queue_depth counts.
-- oldest_ready: since what has stood longest was ready. Of what was called with a delay that is since its time,
-- which its rank tells, unless it has a priority: one above 0 brings it up to the call, one below 0 defers it as
-- it defers the start. A rank that is no time at all, as whoever calls the verbs may give, is bounded.
create or replace function {schema}.queue_figures(p_app text, p_pages integer default 2000)
returns table (
    queue text, paused boolean, ready bigint, scheduled bigint, parked bigint, pending bigint, running bigint,
    waiting bigint, oldest_ready interval, exact boolean, app_id text
) language plpgsql stable {definer} set enable_seqscan = on as $$
#variable_conflict use_column
declare
    v_pages constant bigint := greatest(
        1, pg_relation_size('{schema}.invocation_state') / current_setting('block_size')::bigint);
    v_share constant double precision := least(1, p_pages::double precision / v_pages);
begin
    return query
    with seen as materialized (
        select s.app_id, s.queue,
               count(*) filter (where s.available and s.due_at is null) as ready,
               count(*) filter (where s.due_at is not null) as scheduled,
               count(*) filter (where s.parked) as parked,
               count(*) filter (where s.status = 'pending') as pending,
               count(*) filter (where s.status in ('running', 'resumed')) as running,
               count(*) filter (where s.status = 'paused') as waiting,
               min(least(clock_timestamp(), greatest(s.status_at, to_timestamp(least(greatest(s.rank, 0), 1e11)))))
                   filter (where s.available and s.due_at is null) as since
        from invocation_state s tablesample system (100 * v_share)
        where p_app is null or s.app_id = p_app group by s.app_id, s.queue
    )
    select q.queue, q.paused, round(coalesce(n.ready, 0) / v_share)::bigint,
           round(coalesce(n.scheduled, 0) / v_share)::bigint, round(coalesce(n.parked, 0) / v_share)::bigint,
           round(coalesce(n.pending, 0) / v_share)::bigint, round(coalesce(n.running, 0) / v_share)::bigint,
           round(coalesce(n.waiting, 0) / v_share)::bigint, clock_timestamp() - least(n.since, f.since),
           v_share = 1, q.app_id
    from queue q
    left join seen n on n.app_id = q.app_id and n.queue = q.queue
    left join lateral (
        select least(clock_timestamp(), greatest(s.status_at, to_timestamp(least(greatest(s.rank, 0), 1e11)))) as since
        from invocation_state s
        where s.app_id = q.app_id and s.queue = q.queue and s.available and s.due_at is null and s.lane is null
        order by s.rank, s.invocation_id limit 1) f on true
    where p_app is null or q.app_id = p_app order by q.app_id, q.queue collate "C";
end $$;
