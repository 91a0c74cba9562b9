; Stands in for the frozen program where there is no Windows to make the real one: answers --version and backend, else notes its words.
Unicode true
Target amd64-unicode
RequestExecutionLevel user
SilentInstall silent
Name "easel"
OutFile "${OUTPUT}"
!include FileFunc.nsh
!include LogicLib.nsh
Section
  ${GetParameters} $0
  ${If} $0 == "--version"
  ${OrIf} $0 == "backend"
    SetErrorLevel ${STATUS}
    Quit
  ${EndIf}
  FileOpen $1 "$EXEDIR\started.txt" w
  FileWrite $1 "$0"
  FileClose $1
SectionEnd
