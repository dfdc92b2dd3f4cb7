-- House-keeping, hourly, by any one runner: partitions ahead, idle lanes gone. Answers what it did.
create or replace function {schema}.maintain(p_app text) returns text[]
language plpgsql {definer} as $$
declare
    v_did   text[];
    v_lanes bigint[];
begin
    perform check_isolation();
    v_did := array(select 'made ' || name from unnest(ensure_partitions()) name);
    v_lanes := array(
        select l.lane_id from lane l
        where l.app_id = p_app and starts_since(l, clock_timestamp()) = 0
          and not exists (select from slot x where x.lane = l.lane_id)
          and not exists (select from invocation_state s where s.lane = l.lane_id and s.lane is not null)
        order by l.key limit 1000 for update skip locked);
    -- A new statement, now that no call can join them: those that are idle still.
    delete from lane l where l.lane_id = any (v_lanes)
      and not exists (select from invocation_state s where s.lane = l.lane_id and s.lane is not null);
    if found then
        v_did := v_did || format('removed idle lanes, %s at most', cardinality(v_lanes));
    end if;
    return v_did || drop_old_partitions();
end $$;
