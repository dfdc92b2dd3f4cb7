-- Whether what has happened may meet a condition: false only where that is certain. A text with a marker
-- of the wire format says something that only its reader knows. Internal to record_causes and emit.
create or replace function {schema}.may_meet(p_wanted jsonb, p_found json) returns boolean
language plpgsql immutable as $$
begin
    if p_wanted is null or p_found is null or strpos(p_found::text, '"$') > 0
       or strpos(lower(p_found::text), '"\u0024') > 0 then
        return true;
    end if;
    begin
        return p_found::jsonb @> p_wanted;
    exception when data_exception or program_limit_exceeded then  -- jsonb cannot have all that json can
        return true;
    end;
end $$;
