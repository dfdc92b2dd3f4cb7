-- A reason in words. What stands in brackets is left out where a fact of it is missing. The same as in
-- pynenc_pg/domain/why.py: a test compares them. Internal to why.
create or replace function {schema}.why_sentence(p_code text, p_facts json) returns text
language plpgsql immutable as $$
declare
    v_part text;
    v_fill text;
    v_lack boolean;
    v_said text := '';
begin
    for v_part in select m[1] from regexp_matches(why_template(p_code), '(\[[^]]*\]|[^[]+)', 'g') m loop
        select string_agg(m[1] || coalesce(v.text, ''), ''), bool_or(m[2] is not null and v.text is null)
        into v_fill, v_lack
        from regexp_matches(btrim(v_part, '[]'), '([^{]*)(?:\{([a-z_]+)\})?', 'g') m
        left join lateral (
            select case when json_typeof(p_facts->m[2]) = 'array'
                        then (select string_agg(e, ', ' order by n)
                              from json_array_elements_text(p_facts->m[2]) with ordinality x (e, n))
                        else p_facts->>m[2] end as text) v on true;
        if not (v_lack and v_part like '[%') then
            v_said := v_said || v_fill;
        end if;
    end loop;
    return v_said;
end $$;
