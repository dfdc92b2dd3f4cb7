-- Locks the lanes of these invocations, by key: the first lock of every verb that may free a slot.
-- Internal; answers the lanes, null where there are none.
create or replace function {schema}.lock_lanes(p_ids uuid[]) returns bigint[]
language plpgsql as $$
declare
    v_lanes bigint[];
begin
    select array_agg(distinct s.lane) filter (where s.lane is not null) into v_lanes
    from invocation_state s where s.invocation_id = any (p_ids);
    if v_lanes is not null then
        perform from lane l where l.lane_id = any (v_lanes) order by l.key for no key update;
    end if;
    return v_lanes;
end $$;
