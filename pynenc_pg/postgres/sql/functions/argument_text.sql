-- The text that stands for one argument of a call in its concurrency keys; null where only Python could
-- tell (see canonical_json) and where it is long. What is left out is as the runners have told of its default; ** has what no
-- other parameter takes, too. Internal to call_digest.
create or replace function {schema}.argument_text(p_parameters json, p_arguments json, p_name text)
returns text language plpgsql stable as $$
declare
    v_kind    text;
    v_default text;
    v_value   json := p_arguments->p_name;
    v_more    text;
begin
    select e->>'kind', e->>'default' into v_kind, v_default
    from json_array_elements(p_parameters) e where e->>'name' = p_name;
    if v_kind = 'var_keyword' then
        select string_agg(to_json(a.key)::text || ':' || a.value::text, ',' order by a.own desc, a.n)
        into v_more
        from (select o.key, o.value, o.n, true as own from json_each(v_value) with ordinality o (key, value, n)
              union all
              select o.key, o.value, o.n, false from json_each(p_arguments) with ordinality o (key, value, n)
              where o.key <> '$sig' and not exists (
                  select from json_array_elements(p_parameters) e where e->>'name' = o.key)) a;
        v_value := ('{' || coalesce(v_more, '') || '}')::json;
    end if;
    return case when v_value is null then v_default
                when length(v_value::text) <= 65536 then canonical_json(v_value) end;
end $$;
