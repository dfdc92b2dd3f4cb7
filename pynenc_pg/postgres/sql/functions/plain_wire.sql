-- JSON as it is, in the wire format: a key that begins with $ gets one more, or it would be read as
-- something else than what it says. Internal to enqueue.
create or replace function {schema}.plain_wire(p_json json) returns json
language plpgsql immutable as $$
declare
    v_text text := p_json::text;
begin
    if strpos(v_text, '"$') = 0 and strpos(lower(v_text), '\u0024') = 0 then
        return p_json;
    elsif json_typeof(p_json) = 'object' then
        return (select '{' || coalesce(string_agg(
                    to_json(case when e.key like '$%' then '$' || e.key else e.key end)::text || ':'
                    || plain_wire(e.value)::text, ',' order by e.n), '') || '}'
                from json_each(p_json) with ordinality e (key, value, n));
    elsif json_typeof(p_json) = 'array' then
        return (select '[' || coalesce(string_agg(plain_wire(e.value)::text, ',' order by e.n), '') || ']'
                from json_array_elements(p_json) with ordinality e (value, n));
    end if;
    return p_json;
end $$;
