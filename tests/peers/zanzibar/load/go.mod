module waddle.example/zanzibar/load

go 1.26
