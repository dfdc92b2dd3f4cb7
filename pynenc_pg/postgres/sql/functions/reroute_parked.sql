-- Lets as many parked invocations of each lane try again as the lane has free slots, by rank.
-- Moves: concurrency_controlled -> rerouted. Internal; the lanes are locked by the caller.
-- Answers whether there were any.
create or replace function {schema}.reroute_parked(p_lanes bigint[], p_changed_by text)
returns boolean language plpgsql as $$
declare
    v_ids uuid[];
begin
    v_ids := array(
        select p.invocation_id from lane l cross join lateral (
            select s.invocation_id from invocation_state s
            where s.lane = l.lane_id and s.lane is not null and s.parked and not s.available
            order by s.rank, s.invocation_id
            limit greatest(0, l.slots - (select count(*) from slot x where x.lane = l.lane_id))
        ) p where l.lane_id = any (p_lanes));
    if v_ids = '{}' then
        return false;
    end if;
    perform from invocation_state s where s.invocation_id = any (v_ids)
    order by s.invocation_id for no key update;
    update invocation_state s
    set status = 'rerouted', previous_status = s.status,
        status_at = greatest(clock_timestamp(), s.status_at), reason = null, rev = s.rev + 1,
        changed_by = p_changed_by
    where s.invocation_id = any (v_ids) and s.parked;
    return true;
end $$;
