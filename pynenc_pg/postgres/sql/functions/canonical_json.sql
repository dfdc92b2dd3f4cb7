-- A value in a row as the text that stands for it in concurrency keys: letter by letter what
-- canonical_text of pynenc_pg/serializer/canonical.py makes of plain JSON. Null where something inside
-- is for its serializer to read, or too deep. Internal to argument_text.
-- Raises 22003, 22P02, 22P05 where PostgreSQL cannot hold a number or a text that Python can.
create or replace function {schema}.canonical_json(p_value json, p_depth integer default 0) returns text
language plpgsql immutable as $$
declare
    v_texts text[];
begin
    case json_typeof(p_value)
    when 'string' then
        return ascii_json(p_value #>> '{}');
    when 'number' then
        return python_number(p_value #>> '{}');
    when 'array' then
        if p_depth >= 100 then
            return null;
        end if;
        v_texts := array(select canonical_json(e.value, p_depth + 1)
                         from json_array_elements(p_value) with ordinality e (value, n) order by e.n);
        return case when array_position(v_texts, null) is null
                    then '[' || array_to_string(v_texts, ',') || ']' end;
    when 'object' then
        -- Own keys that begin with $ have two of them.
        if p_depth >= 100 or exists (select from json_object_keys(p_value) k
               where k ~ '^[$]([^$]|$)' and k not in ('$str', '$float', '$dict')) then
            return null;
        end if;
        -- Of a key that stands there twice the last one counts, as in Python.
        v_texts := array(
            select ascii_json(e.key) || ':' || canonical_json(e.value, p_depth + 1)
            from (select distinct on (x.key) x.key, x.value
                  from json_each(p_value) with ordinality x (key, value, n)
                  order by x.key, x.n desc) e
            order by e.key collate "C");
        return case when array_position(v_texts, null) is null
                    then '{' || array_to_string(v_texts, ',') || '}' end;
    else
        return btrim(p_value::text, E' \t\n\r');  -- true, false, null
    end case;
end $$;
