-- How arguments of these names do not fit parameters: which are missing, which nobody takes. A signature
-- is none of them. Internal.
create or replace function {schema}.misfit(
    p_parameters json, p_names text[], out missing text[], out unknown text[]
) language plpgsql immutable as $$
begin
    select coalesce(array_agg(p.name order by p.n) filter (where p.required and p.name <> all (p_names)), '{}')
    into missing
    from (select e->>'name' as name, (e->>'required')::boolean as required, n
          from json_array_elements(p_parameters) with ordinality x (e, n)) p;
    unknown := '{}';
    if not exists (select from json_array_elements(p_parameters) e where e->>'kind' = 'var_keyword') then
        unknown := array(select a.name from unnest(p_names) a (name)
                         where a.name <> '$sig' and not exists (select from json_array_elements(p_parameters) e
                                           where e->>'name' = a.name));
    end if;
end $$;
