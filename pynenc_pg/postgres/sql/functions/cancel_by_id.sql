-- Cancels an invocation, whichever app it is of: for psql, triggers and other languages. Answers
-- cancelled | requested | final | unknown, as the cancel it calls.
create or replace function {schema}.cancel(id uuid)
returns text language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_app text;
begin
    select i.app_id into v_app from invocation i where i.invocation_id = id;
    return case when found then cancel(v_app, id, 'sql') else 'unknown' end;
end $$;
