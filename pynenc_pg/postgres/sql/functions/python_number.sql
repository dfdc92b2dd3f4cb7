-- A number of JSON as Python writes it after having read it: whole ones as they are, others as
-- repr(float). Internal to canonical_json. Raises 22003 where a double cannot hold it.
create or replace function {schema}.python_number(p_text text) returns text
language plpgsql immutable strict set extra_float_digits = 1 as $$
declare
    v_value  double precision;
    v_parts  text[];
    v_sign   text;
    v_digits text;
    v_fewer  text;
    v_point  integer;  -- how many of the digits stand before the point
begin
    if p_text !~ '[.eE]' then
        return case p_text when '-0' then '0' else p_text end;
    end if;
    v_value := p_text::double precision;
    v_parts := regexp_match(v_value::text, '^(-?)(\d+)(?:\.(\d+))?(?:e([-+]\d+))?$');
    v_sign := v_parts[1];
    v_digits := v_parts[2] || coalesce(v_parts[3], '');
    v_point := length(v_parts[2]) + coalesce(v_parts[4]::integer, 0)
             - (length(v_digits) - length(ltrim(v_digits, '0')));
    v_digits := rtrim(ltrim(v_digits, '0'), '0');
    if v_digits = '' then
        return v_sign || '0.0';
    end if;
    -- The fewest digits that tell it from its neighbours, but that PostgreSQL leaves out what lies
    -- exactly between two of them, which reads as the even one: one of the two that are a digit shorter.
    if length(v_digits) > 15 and abs(v_value) < 1.79e308 then
        foreach v_fewer in array array[trunc(v_digits::numeric, -1), trunc(v_digits::numeric, -1) + 10] loop
            if (v_sign || v_fewer || 'e' || v_point - length(v_digits))::double precision = v_value then
                v_point := v_point + length(v_fewer) - length(v_digits);
                v_digits := rtrim(v_fewer, '0');
                exit;
            end if;
        end loop;
    end if;
    if v_point between -3 and 0 then
        return v_sign || '0.' || repeat('0', -v_point) || v_digits;
    elsif v_point between 1 and 16 then
        v_digits := rpad(v_digits, greatest(v_point + 1, length(v_digits)), '0');
        return v_sign || left(v_digits, v_point) || '.' || substr(v_digits, v_point + 1);
    end if;
    return v_sign || left(v_digits, 1) || case when length(v_digits) > 1 then '.' || substr(v_digits, 2) else '' end
           || 'e' || case when v_point > 0 then '+' else '-' end
           || lpad(abs(v_point - 1)::text, greatest(2, length(abs(v_point - 1)::text)), '0');
end $$;
