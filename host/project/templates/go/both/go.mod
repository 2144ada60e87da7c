module device

go 1.24
