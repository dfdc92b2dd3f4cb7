-- claim was made anew, with the signature of the revision before: nobody may call it but workers.
revoke all on all functions in schema {schema} from public;

do $$
declare
    v_role constant text := '{schema_name}_worker';
begin
    if exists (select from pg_roles where rolname = v_role) then
        execute format(
            'grant execute on function {schema}.claim(text, text, text[], integer, boolean, text[], '
            'double precision[]) to %I', v_role);
    end if;
end $$;
