-- What digest of pynenc_pg/domain/concurrency.py makes of a head and of the arguments that count of a call.
-- Null where only Python could tell, or where it is longer than may be digested here, which takes 1 ms for
-- 150 characters. Internal to call_keys.
create or replace function {schema}.call_digest(
    p_head text[], p_parameters json, p_arguments json, p_counts json
) returns text language plpgsql stable as $$
declare
    v_parts text[];
    v_text  text;
begin
    v_parts := array(select ascii_json(h.word) from unnest(p_head) with ordinality h (word, n) order by h.n)
            || array(select '[' || ascii_json(c.name) || ','
                            || ascii_json(argument_text(p_parameters, p_arguments, c.name)) || ']'
                     from json_array_elements_text(p_counts) with ordinality c (name, n) order by c.n);
    v_text := '[' || array_to_string(v_parts, ',') || ']';
    if array_position(v_parts, null) is null and length(v_text) <= 16384 then
        return blake2b(convert_to(v_text, 'UTF8'));
    end if;
    return null;
end $$;
