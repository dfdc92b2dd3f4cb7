-- What its concurrency key has it wait for: a slot, and who holds them; a rate limit. Internal to why.
create or replace function {schema}.why_keyed(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select 'slot_taken', json_build_object('key', l.key, 'slots', l.slots, 'holders', h.holders)
    from lane l
    cross join lateral (
        select json_agg(x.invocation_id order by x.n) as holders, count(*) as taken
        from slot x where x.lane = l.lane_id) h
    where l.lane_id = p_state.lane and h.taken >= l.slots;
    return query
    select 'rate_limited', json_build_object('key', l.key, 'until', utc_text(l.next_at),
                                             'starts', l.rate, 'seconds', l.rate_period)
    from (select * from lane x where x.lane_id = p_state.lane offset 0) l
    where l.next_at > clock_timestamp();
end $$;
