-- How many starts of a lane count for its rate limit. Internal.
create or replace function {schema}.starts_since(p_lane {schema}.lane, p_now timestamptz)
returns integer language plpgsql stable as $$
begin
    if p_lane.rate is null then
        return 0;
    end if;
    return (select coalesce(sum(s.n), 0) from unnest(p_lane.started, p_lane.started_count) s (at, n)
            where s.at > p_now - make_interval(secs => p_lane.rate_period));
end $$;
