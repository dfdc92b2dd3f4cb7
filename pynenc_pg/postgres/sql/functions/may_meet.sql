-- Whether what has happened may meet a condition: false only where that is certain. A text with a marker
-- of the wire format says something that only its reader knows. Internal to record_causes and emit.
create or replace function {schema}.may_meet(p_wanted jsonb, p_found json) returns boolean
language plpgsql immutable as $$
begin
    return p_wanted is null or p_found is null or strpos(p_found::text, '"$') > 0
           or p_found::jsonb @> p_wanted;
exception when data_exception then  -- a number or a text that jsonb cannot have
    return true;
end $$;
