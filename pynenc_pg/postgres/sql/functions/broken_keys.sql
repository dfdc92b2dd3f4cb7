-- Concurrency keys whose slots are not those of who runs. Internal to broken.
create or replace function {schema}.broken_keys(p_app text, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I4', 'a slot is held by what nobody executes', array[l.key, x.n::text, x.invocation_id::text]
     from slot x join lane l on l.lane_id = x.lane
     left join invocation_state s on s.invocation_id = x.invocation_id
     where (p_app is null or l.app_id = p_app)
       and (s.invocation_id is null or s.runner_id is null or s.lane is distinct from x.lane)
     limit p_limit)
    union all
    (select 'I4', 'is executed without the slot of its key', array[s.invocation_id::text, l.key]
     from invocation_state s join lane l on l.lane_id = s.lane
     where (p_app is null or s.app_id = p_app) and s.runner_id is not null
       and not exists (select from slot x where x.invocation_id = s.invocation_id)
     limit p_limit)
    union all
    (select 'I11', 'a key is open or shut to claims against its slots', array[l.key, l.open::text]
     from lane l
     where (p_app is null or l.app_id = p_app)
       and l.open <> (l.impatient or l.slots > (select count(*) from slot x where x.lane = l.lane_id))
     limit p_limit)
    union all
    (select 'I11', 'is parked although its key has a free slot', array[s.invocation_id::text, l.key]
     from invocation_state s join lane l on l.lane_id = s.lane
     where (p_app is null or s.app_id = p_app) and s.parked
       and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
     limit p_limit);
end $$;
