create trigger open_lanes_taken after insert on {schema}.slot
referencing new table as changed for each statement execute function {schema}.open_lanes();
create trigger open_lanes_freed after delete on {schema}.slot
referencing old table as changed for each statement execute function {schema}.open_lanes();
