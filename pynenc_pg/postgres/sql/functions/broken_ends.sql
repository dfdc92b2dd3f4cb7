-- Calls that were lost or ended twice, and large values that are not there. Internal to broken.
create or replace function {schema}.broken_ends(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I1', 'neither live nor ended', array[i.invocation_id::text, i.task_id]
     from invocation i
     where (p_app is null or i.app_id = p_app) and i.invocation_id >= p_from
       and not exists (select from invocation_state s where s.invocation_id = i.invocation_id)
       and not exists (select from invocation_outcome o where o.invocation_id = i.invocation_id)
     limit p_limit)
    union all
    (select 'I1', 'live and ended', array[s.invocation_id::text, s.status::text, o.status::text]
     from invocation_state s join invocation_outcome o on o.invocation_id = s.invocation_id
     where p_app is null or s.app_id = p_app
     limit p_limit)
    union all
    (select 'I1', 'live, and was never called', array[s.invocation_id::text, s.status::text]
     from invocation_state s
     where (p_app is null or s.app_id = p_app)
       and not exists (select from invocation i where i.invocation_id = s.invocation_id)
     limit p_limit)
    union all
    (select 'I1', 'needs a large value that is not there', array[x.invocation_id::text, x.name]
     from (select o.app_id, o.invocation_id, o.value->>'$ref' as name from invocation_outcome o
           where o.invocation_id >= p_from and json_typeof(o.value) = 'object'
           union all
           select i.app_id, i.invocation_id, a.value->>'$ref' from invocation i
           cross join lateral json_each(
               case json_typeof(i.arguments) when 'object' then i.arguments else '{}' end) a
           where i.invocation_id >= p_from and json_typeof(a.value) = 'object') x
     where (p_app is null or x.app_id = p_app) and x.name ~ '^[0-9a-f]{64}$' and not exists (
         select from payload_ref r join payload p on p.app_id = r.app_id and p.sha256 = r.sha256
         where r.invocation_id = x.invocation_id and r.sha256 = decode(x.name, 'hex'))
     limit p_limit);
end $$;
