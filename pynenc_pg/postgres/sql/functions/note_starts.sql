-- Counts what a claim takes for the rate limits of its lanes; a lane that has used its limit up is
-- shut until the oldest start no longer counts. Internal to settle_slots: the lanes are locked.
-- Starts within a hundredth of the period are noted as one, at the time of the last: a lane has a
-- hundred entries at most, and never are there more starts in a period than its limit.
create or replace function {schema}.note_starts(
    p_app text, p_lanes bigint[], p_taken uuid[], p_now timestamptz
) returns void language plpgsql as $$
declare
    v_next timestamptz;
begin
    with noted as materialized (
        select l.lane_id, e.started, e.counts
        from lane l
        left join lateral (select count(*) as n from slot x
                           where x.lane = l.lane_id and x.invocation_id = any (p_taken)) t on true
        cross join lateral (
            select array_agg(m.at order by m.at) as started, array_agg(m.n order by m.at) as counts
            from (
                select max(s.at) as at, sum(s.n)::integer as n
                from (select * from unnest(l.started, l.started_count) o (at, n)
                      union all select p_now, t.n where t.n > 0) s
                where s.at > p_now - make_interval(secs => l.rate_period)
                group by floor(extract(epoch from s.at) * 100 / l.rate_period)) m) e
        where l.lane_id = any (p_lanes) and l.rate is not null
    ), shut as (
        update lane l
        set started = coalesce(n.started, '{}'), started_count = coalesce(n.counts, '{}'),
            next_at = case when l.rate <= (select sum(c) from unnest(n.counts) c)
                           then n.started[1] + make_interval(secs => l.rate_period) end
        from noted n where l.lane_id = any (array[n.lane_id])
        returning l.next_at
    )
    select min(s.next_at) into v_next from shut s;
    if v_next is not null then
        perform notify(p_app, 'due', to_json(extract(epoch from v_next - p_now)));
    end if;
end $$;
