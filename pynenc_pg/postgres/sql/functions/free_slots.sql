-- Frees the slots of invocations that are no longer owned, lets the next parked ones try again
-- and tells the runners; lanes without work go. Internal; the lanes are locked by the caller.
create or replace function {schema}.free_slots(
    p_app text, p_lanes bigint[], p_ids uuid[], p_changed_by text
) returns void language plpgsql as $$
begin
    delete from slot x where x.invocation_id = any (p_ids);
    if reroute_parked(p_lanes, p_changed_by) or exists (
        select from invocation_state s where s.due_at is null
        and s.lane = any (array(select l.lane_id from lane l where l.lane_id = any (p_lanes)
                                and (l.next_at is null or l.next_at <= clock_timestamp())))
        and s.lane is not null and s.available and not s.parked
    ) then
        perform rouse(p_app, null, cardinality(p_lanes));
    end if;
    perform forget_lanes(p_lanes);
end $$;
